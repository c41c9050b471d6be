"""Fidelity: whether a candidate that was measured on few images deserves all of them.

Multi-fidelity evaluation in two rungs; the rule is our choice (HAMP's abstract knows none).
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, norm

from .candidate import Estimate, Evaluation, Outcome
from .goals import Goals, Judge

REACH = 1.959964
"""Standard deviations from the middle to the end of a 95 % interval."""


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


def bred_from(number: int, window: int, outcomes: Sequence[Outcome]) -> list[Evaluation]:
    """The evaluations that candidate `number` of a search with such a window was bred from."""
    before = outcomes[: max(0, number - window + 1)]
    return [one for one in before if isinstance(one, Evaluation)]


def feasible(known: Sequence[Evaluation], judge: Judge) -> list[Sequence[Estimate]]:
    """What was measured of those that violate no constraint."""
    excess = judge.violations(np.array([one.objectives for one in known]))
    return [one.estimates for one, much in zip(known, excess, strict=True) if much == 0]


def chance_on_front(
    ours: Sequence[Estimate], rivals: Sequence[Sequence[Estimate]], rough: Set[int]
) -> float:
    """The probability that no rival is as good in all of our objectives.

    Those that are `rough`, by their places, are taken for normal with the deviations of their
    intervals, and for independent; the others count by their values. The hardest rival decides:
    that all fail at once is at most as likely.
    """
    if not rivals:
        return 1.0
    count = len(ours)
    values, spreads = (
        np.array([[part(one) for one in rival[:count]] for rival in rivals])
        for part in (lambda one: one.value, _deviation)
    )
    own = np.array([one.value for one in ours])
    as_good = np.where(values <= own, 1.0, 0.0)
    for place in rough:
        spread = np.hypot(spreads[:, place], _deviation(ours[place]))
        gap = own[place] - values[:, place]
        as_good[:, place] = norm.cdf(gap / np.maximum(spread, 1e-12))
    return float(1 - as_good.prod(axis=1).max())


def rung_agreement(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Kendall's tau between the errors of both rungs; None where too few candidates have both."""
    if len(pairs) < 10:
        return None
    tau = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    return None if np.isnan(tau) else tau


def _deviation(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / (2 * REACH)
