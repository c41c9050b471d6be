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

from .space import Space, Widths


@contextmanager
def _global_random(rng: np.random.Generator) -> Iterator[None]:
    state = random.getstate()
    random.seed(int(rng.integers(2**63)))
    try:
        yield
    finally:
        random.setstate(state)


def crossover(
    space: Space, mother: Widths, father: Widths, rng: np.random.Generator, *, eta: float = 15.0
) -> Widths:
    """Simulated binary crossover (Deb and Agrawal 1995) of grid positions; one child, repaired."""
    one, other = _genes(space, mother), _genes(space, father)
    with _global_random(rng):
        tools.cxSimulatedBinaryBounded(one, other, eta, _lowest(space), _highest(space))
    return _widths(space, one)


def mutate(
    space: Space, widths: Widths, rng: np.random.Generator, *, eta: float, rate: float
) -> Widths:
    """Polynomial mutation (Deb and Goyal 1996) of grid positions, each with probability `rate`."""
    genes = _genes(space, widths)
    with _global_random(rng):
        tools.mutPolynomialBounded(genes, eta, _lowest(space), _highest(space), rate)
    return _widths(space, genes)


# A position is widened by half a step at both ends, so that rounding gives every width, the first
# and the last included, the same share of the axis.


def _lowest(space: Space) -> list[float]:
    return [-0.499] * len(space.groups)


def _highest(space: Space) -> list[float]:
    return [len(choices) - 0.501 for choices in space.choices]


def _genes(space: Space, widths: Widths) -> list[Any]:
    return [float(position) for position in space.positions(widths)]


def _widths(space: Space, genes: list[Any]) -> Widths:
    return space.at(np.rint(np.array(genes, dtype=np.float64)).astype(np.int64))
