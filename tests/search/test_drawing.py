from itertools import count

import numpy as np

from secateur.search.drawing import scattered, unseen
from secateur.search.space import LayerGroup, Space

SPACE = Space(tuple(LayerGroup(f"g{i}", width, 4, 4) for i, width in enumerate((16, 32, 64, 64))))


def test_scattered_genomes_keep_few_and_many_channels_as_often():
    rng = np.random.default_rng(0)
    kept = np.array([scattered(SPACE, rng) for _ in range(2000)]) / np.array(SPACE.dense)
    counts = np.histogram(kept.mean(axis=1), bins=4, range=(0.1, 1.0))[0]
    assert counts.min() > 0.15 * 2000


def test_a_genome_that_was_seen_is_drawn_again():
    genomes = iter([(4, 4), (4, 4), (8, 4)])
    space = Space((LayerGroup("a", 8, 4, 4), LayerGroup("b", 8, 4, 4)))
    found = unseen(lambda: next(genomes), space, {(4, 4)}, np.random.default_rng(0))
    assert found == (8, 4)


def test_a_draw_that_never_gives_anything_new_ends_in_a_walk_to_the_last_new_genome():
    space = Space((LayerGroup("a", 16, 4, 4), LayerGroup("b", 16, 4, 4)))
    taken = {(a, b) for a in (4, 8, 12, 16) for b in (4, 8, 12, 16)} - {(12, 4)}
    draws = count()

    def draw() -> tuple[int, int]:
        next(draws)
        return (16, 16)

    assert unseen(draw, space, taken, np.random.default_rng(0), attempts=5) == (12, 4)
    assert next(draws) == 5
