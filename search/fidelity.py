"""Fidelity: whether a candidate that was measured on few images deserves all of them.

Multi-fidelity evaluation in two rungs; the rule is our choice (HAMP's abstract knows none).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from .candidate import Estimate, Outcome
from .goals import Goals
from .rivals import bred_from, chance_on_front, feasible


@dataclass(frozen=True, slots=True)
class Promotion:
    """Promotes a candidate that is non-dominated with at least the probability `least`.

    The first objective is the error. `window` is the search's: a candidate is judged by the
    outcomes that it was bred from, so that the answer depends on nothing that may come sooner or
    later.
    """

    least: float
    window: int
    goals: Goals

    def promotes(
        self, number: int, estimates: Sequence[Estimate], outcomes: Sequence[Outcome]
    ) -> bool:
        """Judge candidate `number` by its estimates, the error's being rough, and earlier outcomes.

        `outcomes` are those of the first candidates, at least up to `number - window`. A candidate
        that violates constraints even at the lower end of its error's interval is not promoted.
        """
        known = bred_from(number, self.window, outcomes)
        if not known:
            return True
        hopeful = [estimates[0].low, *(one.value for one in estimates[1:])]
        judge = self.goals.beside(known[0].objectives)
        if judge.violations(np.array([hopeful]))[0] > 0:
            return False
        ours = estimates[: len(self.goals.objectives)]
        return chance_on_front(ours, feasible(known, judge), {0}) >= self.least


def rung_agreement(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Kendall's tau between the errors of both rungs; None where too few candidates have both."""
    if len(pairs) < 10:
        return None
    tau = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    return None if np.isnan(tau) else tau
