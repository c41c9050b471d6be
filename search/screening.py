"""Screening: whether what is known of a candidate already spares it the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .candidate import Outcome
from .constraint import Constraint
from .goals import Goals
from .rivals import bred_from, feasible

ENOUGH = 10
"""Feasible networks from which on an infeasible one teaches nothing that is worth its measuring."""


@dataclass(frozen=True, slots=True)
class Screening:
    """Spares a candidate that exceeds a bound, whatever its error.

    `window` is the search's: a candidate is judged by the outcomes that it was bred from. While
    they hold few feasible networks it is spared nothing, for then the way leads past infeasible
    ones.
    """

    window: int
    goals: Goals

    @property
    def quantities(self) -> frozenset[str]:
        """What is bounded and may be known before the error."""
        return frozenset(one.quantity for one in self.goals.constraints) - {"error"}

    def exceeds(
        self, number: int, known: Mapping[str, float], outcomes: Sequence[Outcome]
    ) -> Constraint | None:
        """Return a bound that candidate `number` exceeds by what is `known` of it, if it counts.

        `outcomes` are those of the first candidates, at least up to `number - window`.
        """
        measured = bred_from(number, self.window, outcomes)
        if not measured:
            return None
        judge = self.goals.beside(measured[0].objectives)
        if len(feasible(measured, judge)) < ENOUGH:
            return None
        for constraint in self.goals.constraints:
            value = known.get(constraint.quantity)
            if value is not None and value > judge.bound(constraint):
                return constraint
        return None
