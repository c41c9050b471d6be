"""Indicators: fronts, hypervolume and the knee of a set of normalised points.

pymoo does the sorting and the volumes; every point array has the shape (points, objectives).
"""

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


def hypervolume(points: Points, reference: float | NDArray[np.float64] = REFERENCE) -> float:
    """Return the volume dominated below `reference`, one number for all objectives or for each."""
    inside = points[np.all(points < reference, axis=1)] if len(points) else points
    if len(inside) == 0:
        return 0.0
    return float(HV(ref_point=np.broadcast_to(reference, points.shape[1:]))(inside))


def running_hypervolume(points: Points, reference: float = REFERENCE) -> list[float]:
    """Return the hypervolume after the first, the second, ... of the points."""
    volumes: list[float] = []
    best = np.empty((0, points.shape[1]))
    for point in points:
        if not np.any(np.all(best <= point, axis=1)):
            best = np.vstack([best[~np.all(point <= best, axis=1)], point])
            volumes.append(hypervolume(best, reference))
        else:
            volumes.append(volumes[-1])
    return volumes


def knee(points: Points) -> int:
    """Return the index of the knee: nearest to the ideal corner, every axis stretched to [0, 1].

    The Euclidean distance to the ideal of the given points, as in compromise programming.
    """
    if len(points) == 0:
        raise ValueError("a knee needs at least one point, got none")
    low, high = points.min(axis=0), points.max(axis=0)
    stretched = (points - low) / np.where(high > low, high - low, 1.0)
    return int(np.argmin(np.linalg.norm(stretched, axis=1)))
