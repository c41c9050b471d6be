"""Indicators: fronts, hypervolume and the knee of a set of normalised points.

pymoo does the sorting and the volumes; every point array has the shape (points, objectives).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from .objective import REFERENCE

Points = NDArray[np.float64]


def front(points: Points) -> NDArray[np.int64]:
    """Return the indices of the non-dominated points, ascending; equal points all stay."""
    if len(points) == 0:
        return np.empty(0, dtype=np.int64)
    indices = NonDominatedSorting().do(points, only_non_dominated_front=True)
    return np.sort(np.asarray(indices, dtype=np.int64))


def told_apart_front(points: Points, low: Points, high: Points) -> NDArray[np.int64]:
    """Return the front of points that are known as far as their intervals, ascending.

    Where two intervals overlap neither point is better there; `low == high` where a number is
    exact. A point stays if it is on the front of the values, and none that stays is better in one
    objective and worse in none. Points are judged from the least of the first objective on, as
    "no better" is not transitive: in a chain of points each of which cannot be told from the next,
    every one that can be told from those that stay must stay itself.
    """
    kept: list[int] = []
    on_front = front(points)
    for index in on_front[np.lexsort(points[on_front].T[::-1])]:
        rivals = np.array(kept, dtype=np.int64)
        never_worse = (low[rivals] <= high[index]).all(axis=1)
        better = (high[rivals] < low[index]).any(axis=1)
        if not (never_worse & better).any():
            kept.append(int(index))
    return np.sort(np.array(kept, dtype=np.int64))


def contested(
    points: Points, low: Points, high: Points, kept: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the points whose place on the told-apart front `kept` hangs on intervals, ascending.

    They are on the front of the values and cannot be told from one that stays, or are that one.
    """
    dropped = np.setdiff1d(front(points), kept)
    alike = (low[kept] <= high[dropped][:, None]).all(axis=2)  # shape (dropped, kept)
    return np.sort(np.concatenate([dropped, kept[alike.any(axis=0)]]))


def hypervolume(points: Points, reference: float | NDArray[np.float64] = REFERENCE) -> float:
    """Return the volume dominated below `reference`, one number for all objectives or for each."""
    inside = points[np.all(points < reference, axis=1)] if len(points) else points
    if len(inside) == 0:
        return 0.0
    return float(HV(ref_point=np.broadcast_to(reference, points.shape[1:]))(inside))


@dataclass(frozen=True, slots=True)
class Dominated:
    """The region that points dominate below a reference point, cut into disjoint boxes.

    With it, what a further point would add costs one pass over the boxes, whatever their number of
    objectives: made for asking about many points, one by one.
    """

    lower: Points  # shape (boxes, objectives)
    reference: NDArray[np.float64]  # shape (objectives,); the boxes' upper ends lie within
    upper: Points

    @classmethod
    def by(cls, points: Points, reference: float | NDArray[np.float64] = REFERENCE) -> "Dominated":
        """Cut up the region that `points` dominate, shape (points, objectives)."""
        corner = np.broadcast_to(np.asarray(reference, dtype=np.float64), points.shape[1:])
        inside = points[np.all(points < corner, axis=1)]
        ordered = inside[np.argsort(inside[:, -1], kind="stable")]
        lows, highs = [np.empty((0, len(corner)))], [np.empty((0, len(corner)))]
        below = np.empty((0, len(corner) - 1))  # what earlier points cover up to the reference
        for point in ordered:
            low, high = _exclusive(point[:-1], below, corner[:-1])
            below = np.vstack([below[~np.all(below >= point[:-1], axis=1)], point[:-1]])
            lows.append(np.column_stack([low, np.full(len(low), point[-1])]))
            highs.append(np.column_stack([high, np.full(len(high), corner[-1])]))
        return cls(np.vstack(lows), corner, np.vstack(highs))

    def gains(self, points: Points) -> NDArray[np.float64]:
        """The hypervolume that each point would add alone, shape (points,)."""
        total = np.maximum(self.reference - points, 0).prod(axis=1)
        shared = np.ones((len(points), len(self.lower)))
        for objective in range(points.shape[1]):
            floor = np.maximum(self.lower[:, objective], points[:, [objective]])
            shared *= np.maximum(self.upper[:, objective] - floor, 0)
        gained: NDArray[np.float64] = total - shared.sum(axis=1)
        return gained


def _exclusive(
    point: NDArray[np.float64], others: Points, corner: NDArray[np.float64]
) -> tuple[Points, Points]:
    """Boxes (lower, upper) of what `point` dominates below `corner` and none of the others does."""
    if len(point) == 0:
        return np.empty((int(len(others) == 0), 0)), np.empty((int(len(others) == 0), 0))
    within = np.maximum(others[np.all(others < corner, axis=1)], point)
    if len(point) == 1:
        end = within.min(axis=0, initial=corner[0])
        some = end > point
        return point[None][some], end[None][some]
    within = within[front(within)]
    levels = np.unique(np.append(within[:, -1], point[-1]))
    lows, highs = [np.empty((0, len(point)))], [np.empty((0, len(point)))]
    for bottom, top in zip(levels, np.append(levels[1:], corner[-1]), strict=True):
        low, high = _exclusive(point[:-1], within[within[:, -1] <= bottom, :-1], corner[:-1])
        if len(low) == 0:
            break  # dominated from here on
        lows.append(np.column_stack([low, np.full(len(low), bottom)]))
        highs.append(np.column_stack([high, np.full(len(high), top)]))
    return np.vstack(lows), np.vstack(highs)


class RunningHypervolume:
    """The hypervolume of ever more points; a dominated one costs next to nothing."""

    def __init__(self, objectives: int, reference: float | NDArray[np.float64] = REFERENCE) -> None:
        self._best = np.empty((0, objectives))
        self._reference = reference
        self.value = 0.0

    def add(self, point: NDArray[np.float64]) -> float:
        """Take one more point, shape (objectives,), and return the volume with it."""
        if not np.any(np.all(self._best <= point, axis=1)):
            self._best = np.vstack([self._best[~np.all(point <= self._best, axis=1)], point])
            self.value = hypervolume(self._best, self._reference)
        return self.value


def running_hypervolume(
    points: Points, reference: float | NDArray[np.float64] = REFERENCE
) -> list[float]:
    """Return the hypervolume after the first, the second, ... of the points."""
    running = RunningHypervolume(points.shape[1], reference)
    return [running.add(point) for point in points]


def knee(points: Points) -> int:
    """Return the index of the knee: nearest to the ideal corner, every axis stretched to [0, 1].

    The Euclidean distance to the ideal of the given points, as in compromise programming.
    """
    if len(points) == 0:
        raise ValueError("a knee needs at least one point, got none")
    low, high = points.min(axis=0), points.max(axis=0)
    stretched = (points - low) / np.where(high > low, high - low, 1.0)
    return int(np.argmin(np.linalg.norm(stretched, axis=1)))
