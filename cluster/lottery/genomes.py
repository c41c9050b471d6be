"""Genomes: what the rounds of a lottery search may remove; each plan is one of them."""

import numpy as np
from numpy.typing import NDArray

from ...search.space import Genome, LayerGroup, Space

EDGES, WEIGHTS = 20, 10
"""Into so many parts a round cuts what there is, and removes some of them."""
FEWEST_EDGES, FEWEST_WEIGHTS = 10, 2
GENES = 2
"""A round's: parts of the edges and of the weights that are left."""


def space_of(rounds: int) -> Space:
    """All plans of so many rounds."""
    groups = []
    for number in range(1, rounds + 1):
        groups.append(LayerGroup(f"edges of round {number}", EDGES, FEWEST_EDGES, 1))
        groups.append(LayerGroup(f"weights of round {number}", WEIGHTS, FEWEST_WEIGHTS, 1))
    return Space(tuple(groups))


def removed_by(genome: Genome) -> list[tuple[float, float]]:
    """The shares of the edges and weights that each round removes, of those that it finds."""
    return [
        (1 - genome[place] / EDGES, 1 - genome[place + 1] / WEIGHTS)
        for place in range(0, len(genome), GENES)
    ]


def left_of(genomes: NDArray[np.int64], what: str) -> NDArray[np.float64]:
    """The share of edges or weights that genomes leave, nominally, shape (genomes,)."""
    rounds = genomes.reshape(len(genomes), -1, GENES)
    parts = rounds[:, :, 1] / WEIGHTS if what == "weights" else rounds[:, :, 0] / EDGES
    left: NDArray[np.float64] = parts.prod(axis=1)
    return left
