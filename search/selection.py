"""Selection: who survives, and who becomes a parent."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pymoo.core.population import Population as PymooPopulation
from pymoo.core.problem import Problem
from pymoo.core.survival import Survival
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from .indicators import Points
from .objective import REFERENCE
from .portfolio import investments

Indices = NDArray[np.int64]


class Selection(Protocol):
    """Chooses survivors. It never makes an individual and never measures one."""

    def __call__(self, points: Points, survivors: int) -> Indices:
        """Return the indices of at most `survivors` points, best first.

        `points` are normalised objectives, shape (points, objectives).
        """
        ...


def shares(
    points: Points, reference: float | NDArray[np.float64] = REFERENCE
) -> NDArray[np.float64]:
    """Return the investment in each normalised point, between origin and reference point."""
    upper = np.broadcast_to(reference, points.shape[1:])
    return investments(points, np.zeros(points.shape[1]), upper).shares


def portfolio_selection(
    points: Points, survivors: int, reference: float | NDArray[np.float64] = REFERENCE
) -> Indices:
    """Keep the largest investments; fill from the portfolio of the rest, layer by layer.

    Points that no layer invests in come last: the nearest to the reference point first.
    """
    chosen: list[int] = []
    rest = np.arange(len(points))
    while len(chosen) < survivors and len(rest):
        invested = shares(points[rest], reference)
        layer = np.flatnonzero(invested > 0)
        if len(layer) == 0:
            beyond = np.max(points[rest] - reference, axis=1)
            chosen.extend(rest[np.argsort(beyond, kind="stable")].tolist())
            break
        by_investment = layer[np.argsort(-invested[layer], kind="stable")]
        chosen.extend(rest[by_investment].tolist())
        rest = np.delete(rest, layer)
    return np.array(chosen[:survivors], dtype=np.int64)


def rank_and_crowding(points: Points, survivors: int) -> Indices:
    """NSGA-II's survival (Deb et al. 2002), as pymoo has it: rank first, then crowding distance."""
    return surviving(RankAndCrowding(), points, survivors)


def surviving(survival: Survival, points: Points, survivors: int) -> Indices:
    """Let one of pymoo's survival operators choose; what it draws, it draws the same every time."""
    population = PymooPopulation.new(F=points, index=np.arange(len(points)))
    problem = Problem(n_var=1, n_obj=points.shape[1], xl=0, xu=1)
    kept = survival.do(
        problem, population, n_survive=survivors, random_state=np.random.default_rng(0)
    )
    return np.asarray(kept.get("index"), dtype=np.int64)


def feasible_first(
    selection: Selection, points: Points, violations: NDArray[np.float64], survivors: int
) -> Indices:
    """Select among feasible points; fill up with the others, the least violation first (Deb 2000).

    `violations` are 0 for feasible points, shape (points,).
    """
    feasible = np.flatnonzero(violations == 0)
    chosen = feasible[selection(points[feasible], survivors)] if len(feasible) else feasible
    others = np.argsort(violations, kind="stable")[len(feasible) :]
    return np.concatenate([chosen, others[: survivors - len(chosen)]]).astype(np.int64)


def stochastic_universal_sampling(
    weights: Sequence[float] | NDArray[np.float64], draws: int, rng: np.random.Generator
) -> Indices:
    """Draw indices in proportion to non-negative weights, with one spin of `draws` equal pointers.

    Baker 1987. All weights zero counts as all equal. The draws come in random order.
    """
    wheel = np.asarray(weights, dtype=np.float64)
    if wheel.sum() <= 0:
        wheel = np.ones_like(wheel)
    edges = np.cumsum(wheel) / wheel.sum()
    pointers = (rng.random() + np.arange(draws)) / draws
    drawn = np.minimum(np.searchsorted(edges, pointers, side="right"), len(wheel) - 1)
    return rng.permutation(drawn)
