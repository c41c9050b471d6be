"""Baselines without memory: what is tried first, behind the same interface."""

from collections.abc import Sequence, Set

import numpy as np

from .candidate import Candidate, Outcome
from .drawing import unseen_at_random
from .randomness import generator
from .space import Genome, Space


class RandomSearch:
    """Genomes drawn independently; never the same one twice."""

    def __init__(self, space: Space, *, seed: int) -> None:
        self._space = space
        self._seed = seed

    def commit(self, outcome: Outcome) -> None:
        """Learn nothing."""

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate:
        """Draw the next candidate."""
        number = len(asked)
        rng = generator(self._seed, "random", number)
        genome = unseen_at_random(self._space, taken, rng)
        return Candidate(number, genome, "initial")


class UniformScaling:
    """The same share kept in every group, coarse levels before fine ones.

    It ends when the grid has no further genome of this kind.
    """

    LEVELS = 1024

    def __init__(self, space: Space) -> None:
        self._genomes: list[Genome] = list(
            dict.fromkeys(
                [
                    space.dense,
                    *(space.uniform(1 - share) for share in _coarse_to_fine(self.LEVELS)),
                ]
            )
        )

    def commit(self, outcome: Outcome) -> None:
        """Learn nothing."""

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate | None:  # noqa: ARG002
        """Return the next level."""
        number = len(asked)
        if number >= len(self._genomes):
            return None
        return Candidate(number, self._genomes[number], "initial")


def _coarse_to_fine(count: int) -> list[float]:
    """All multiples of 1 / count in (0, 1), each half of the gaps after the other: 1/2, 1/4, ..."""
    steps = count // 2
    found: list[float] = []
    while steps >= 1:
        found += (np.arange(steps, count, 2 * steps) / count).tolist()
        steps //= 2
    return found
