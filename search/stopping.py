"""Stopping: when a search has nothing more to gain."""

from collections.abc import Sequence, Set

import numpy as np

from .algorithm import Algorithm
from .candidate import Candidate, Evaluation, Outcome
from .goals import Goals, Judge
from .indicators import front, hypervolume
from .space import Genome


class Patient:
    """An algorithm that ends once the hypervolume has stood still for so many commits.

    Still means that it grew by less than the share `gain` since it last counted as grown. The
    dense network, which is committed first, fixes the scale for good.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        goals: Goals,
        *,
        patience: int,
        gain: float = 0.001,
    ) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1 commit, got {patience!r}")
        self._algorithm = algorithm
        self._goals = goals
        self._patience = patience
        self._gain = gain
        self._judge: Judge | None = None  # from the dense network on
        self._front = np.empty((0, len(goals.objectives)))
        self._volume = 0.0
        self._still = 0

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate | None:
        """Return the algorithm's next candidate, or None once patience is at its end."""
        return None if self._still >= self._patience else self._algorithm.breed(asked, taken)

    def commit(self, outcome: Outcome) -> None:
        """Take the next outcome, and see whether anything was gained."""
        self._algorithm.commit(outcome)
        self._still += 1
        if not isinstance(outcome, Evaluation):
            return
        self._judge = self._judge or self._goals.beside(outcome.objectives)
        values = np.array([outcome.objectives])
        if self._judge.violations(values)[0] > 0:
            return
        points = np.vstack([self._front, self._judge.points(values)])
        self._front = points[front(points)]
        volume = hypervolume(self._front)
        if volume > self._volume * (1 + self._gain):
            self._volume, self._still = volume, 0
