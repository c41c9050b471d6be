import random

import numpy as np

from secateur.search.randomness import generator


def draws(seed: int, purpose: str, number: int) -> list[float]:
    return generator(seed, purpose, number).random(4).tolist()


def test_the_same_seed_purpose_and_number_draw_the_same():
    assert draws(1, "breed", 7) == draws(1, "breed", 7)


def test_every_seed_purpose_and_number_draws_otherwise():
    several = [
        draws(1, "breed", 7),
        draws(2, "breed", 7),
        draws(1, "mate", 7),
        draws(1, "breed", 8),
    ]
    assert len({tuple(row) for row in several}) == len(several)


def test_a_run_of_an_earlier_version_goes_on_with_the_draws_it_began_with():
    drawn = generator(3, "breed", 5).bit_generator.random_raw(2).tolist()
    assert drawn == [4141157751797164949, 15937946493414662964]


def test_no_global_generator_is_touched():
    pythons, numpys = random.getstate(), np.random.get_state()[1].tolist()
    draws(1, "breed", 7)
    assert random.getstate() == pythons
    assert np.random.get_state()[1].tolist() == numpys
