"""Variation: new genomes from old ones, on the grid of allowed widths.

DEAP's operators draw from Python's global generator: this file seeds it from a counted generator
around each call and puts it back. Nothing else touches it.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from deap import tools
from numpy.typing import NDArray

from .space import Genome, Space


@contextmanager
def _global_random(rng: np.random.Generator) -> Iterator[None]:
    state = random.getstate()
    random.seed(int(rng.integers(2**63)))
    try:
        yield
    finally:
        random.setstate(state)


def crossover(
    space: Space, mother: Genome, father: Genome, rng: np.random.Generator, *, eta: float = 15.0
) -> Genome:
    """Simulated binary crossover (Deb and Agrawal 1995) of grid positions; one child, repaired.

    A criterion, which has no order, comes from either parent.
    """
    (one, criteria), (other, others) = _parts(space, mother), _parts(space, father)
    with _global_random(rng):
        tools.cxSimulatedBinaryBounded(one, other, eta, _lowest(space), _highest(space))
    if len(criteria):
        criteria = np.where(rng.random(len(criteria)) < 0.5, criteria, others)
    return _genome(space, one, criteria)


def mutate(
    space: Space, genome: Genome, rng: np.random.Generator, *, eta: float, rate: float
) -> Genome:
    """Polynomial mutation (Deb and Goyal 1996) of grid positions, each with probability `rate`.

    A criterion is drawn anew with the same probability.
    """
    steps, criteria = _parts(space, genome)
    with _global_random(rng):
        tools.mutPolynomialBounded(steps, eta, _lowest(space), _highest(space), rate)
    if len(criteria):
        drawn = rng.integers(space.criteria, size=len(criteria))
        criteria = np.where(rng.random(len(criteria)) < rate, drawn, criteria)
    return _genome(space, steps, criteria)


# A position is widened by half a step at both ends, so that rounding gives every width, the first
# and the last included, the same share of the axis.


def _lowest(space: Space) -> list[float]:
    return [-0.499] * len(space.groups)


def _highest(space: Space) -> list[float]:
    return [len(group.choices) - 0.501 for group in space.groups]


def _parts(space: Space, genome: Genome) -> tuple[list[Any], NDArray[np.int64]]:
    """Positions on the grids of widths, which DEAP varies as real numbers, and the criteria."""
    positions, groups = space.positions(genome), len(space.groups)
    return [float(position) for position in positions[:groups]], positions[groups:]


def _genome(space: Space, steps: list[Any], criteria: NDArray[np.int64]) -> Genome:
    return space.at(np.concatenate([np.rint(np.array(steps)).astype(np.int64), criteria]))
