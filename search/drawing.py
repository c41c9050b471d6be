"""Drawing: genomes at random that nobody has asked for yet."""

from collections.abc import Callable, Set

import numpy as np

from .space import Genome, Space


def scattered(space: Space, rng: np.random.Generator) -> Genome:
    """Draw widths around a random level, so that few and many channels are as likely."""
    level, groups = rng.random(), len(space.groups)
    shifts = rng.uniform(-0.3, 0.3, size=groups)
    steps = np.rint(np.clip(level + shifts, 0, 1) * space.highest[:groups]).astype(np.int64)
    criteria = rng.integers(space.criteria, size=space.genes - groups)
    return space.at(np.concatenate([steps, criteria]))


def unseen_at_random(space: Space, taken: Set[Genome], rng: np.random.Generator) -> Genome:
    """Draw a genome that is new from the whole space; there must be one left."""
    return unseen(lambda: space.random(rng), space, taken, rng)


def unseen(
    draw: Callable[[], Genome],
    space: Space,
    taken: Set[Genome],
    rng: np.random.Generator,
    *,
    attempts: int = 50,
) -> Genome:
    """Draw until a genome is new; after `attempts`, walk from the last one at random.

    There must be a new genome left in the space.
    """
    for _ in range(attempts):
        if (genome := draw()) not in taken:
            return genome
    while genome in taken:
        positions = space.positions(genome)
        gene = int(rng.integers(len(positions)))
        positions[gene] = rng.integers(len(space.choices[gene]))
        genome = space.at(positions)
    return genome
