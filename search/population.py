"""Population: the evaluations that a search breeds from, the best of all that it has taken."""

import numpy as np
from numpy.typing import NDArray

from .candidate import Evaluation
from .goals import Goals, Judge
from .indicators import Points
from .selection import Selection, feasible_first


class Population:
    """At most `size` survivors. The first evaluation that it takes is the dense network's."""

    def __init__(self, goals: Goals, selection: Selection, size: int) -> None:
        self._goals = goals
        self._selection = selection
        self._size = size
        self._judge: Judge | None = None
        self.members: list[Evaluation] = []

    def take(self, *newcomers: Evaluation) -> None:
        """Let the members and the newcomers, if there are any, compete for the places."""
        if not newcomers:
            return
        contenders = [*self.members, *newcomers]
        if self._judge is None:
            self._judge = self._goals.beside(contenders[0].objectives)
        values = values_of(contenders)
        kept = feasible_first(
            self._selection, self.judge.points(values), self.judge.violations(values), self._size
        )
        self.members = [contenders[index] for index in kept]

    @property
    def judge(self) -> Judge:
        """Who judges beside the dense network, once that is known."""
        if self._judge is None:
            raise RuntimeError("nothing can be judged before the dense network was measured")
        return self._judge

    @property
    def points(self) -> Points:
        """The members' normalised objectives, shape (members, objectives)."""
        return self.judge.points(values_of(self.members))

    @property
    def violations(self) -> NDArray[np.float64]:
        """By how much each member exceeds its bounds, shape (members,)."""
        return self.judge.violations(values_of(self.members))


def values_of(evaluations: list[Evaluation]) -> Points:
    """The quantities of evaluations, shape (evaluations, quantities)."""
    return np.array([entry.objectives for entry in evaluations])
