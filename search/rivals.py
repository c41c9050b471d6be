"""Rivals: what a candidate was bred from, and whether any of it is as good as the candidate."""

from collections.abc import Sequence, Set

import numpy as np
from scipy.stats import norm

from .candidate import Estimate, Evaluation, Outcome
from .goals import Judge

REACH = 1.959964
"""Standard deviations from the middle to the end of a 95 % interval."""


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


def _deviation(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / (2 * REACH)
