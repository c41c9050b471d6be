"""Cutting: from learned scores to widths, at once for all groups."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...search.space import Space
from ..pruning.criteria import Ranking

Scores = Sequence[NDArray[np.float64]]
"""What the channels of each group are worth."""


def ranking_by(scores: Scores) -> Ranking:
    """Order each group's channels from the largest score to the smallest; ties by index."""
    return tuple(np.argsort(-values, kind="stable") for values in scores)


def widths_for(
    scores: Scores,
    space: Space,
    cost: Callable[[tuple[int, ...]], float],
    limit: float,
    *,
    least: float,
) -> tuple[int, ...]:
    """Keep the channels with the best scores, through all groups, as far as a cost goes.

    Args:
        scores: a score for each channel of each group.
        space: the widths that each group may have.
        cost: of widths; it grows with every one of them.
        limit: what the widths may cost.
        least: the share of its channels that every group keeps at least.

    Raises:
        ValueError: even the least widths cost more.
    """
    allowed = Space(
        tuple(
            replace(group, minimum=max(group.minimum, math.ceil(least * group.width)))
            for group in space.groups
        )
    )

    def widths(threshold: float) -> tuple[int, ...]:
        return allowed.repair([float((values >= threshold).sum()) for values in scores])

    thresholds = np.unique(np.concatenate([*scores, [np.inf]]))
    if (lowest := cost(widths(np.inf))) > limit:
        raise ValueError(
            f"no widths cost at most {limit:.3g}: the smallest that are allowed cost {lowest:.3g}"
        )
    low, high = 0, len(thresholds) - 1  # the last one keeps least, and costs little enough
    while low < high:
        middle = (low + high) // 2
        if cost(widths(thresholds[middle])) <= limit:
            high = middle
        else:
            low = middle + 1
    return widths(thresholds[high])
