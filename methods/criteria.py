"""Criteria: which channels of a group matter most."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .plan import Plan
from .weights import State

Kept = tuple[NDArray[np.int64], ...]
"""For each group the indices of the channels that stay, ascending."""


def l2(weight: Tensor) -> NDArray[np.float64]:
    """Euclidean norm of each output channel's filter, of a weight of shape (out, in, ...)."""
    norms: NDArray[np.float64] = weight.double().flatten(1).norm(dim=1).numpy()
    return norms


CRITERIA: dict[str, Callable[[Tensor], NDArray[np.float64]]] = {"l2": l2}


def rankings(plan: Plan, state: State, criterion: str) -> Kept:
    """Order each group's channels from the most important to the least; ties by index."""
    score = CRITERIA[criterion]
    return tuple(
        np.argsort(-score(state[group.slices[0].tensor]), kind="stable") for group in plan.groups
    )


def keep(ranking: Kept, widths: Sequence[int]) -> Kept:
    """Keep the `widths[g]` most important channels of group g, in their old order."""
    for group, (order, width) in enumerate(zip(ranking, widths, strict=True)):
        if not 1 <= width <= len(order):
            raise ValueError(f"widths[{group}] must lie between 1 and {len(order)}, got {width!r}")
    return tuple(np.sort(order[:width]) for order, width in zip(ranking, widths, strict=True))
