"""Portfolio selection: selection as the allocation of capital, the first part of HAMP.

Reading A of "portfolio-based selection" in HAMP (Hong et al., Fundamental Research 2024; only its
abstract could be read, so this is our reconstruction): the portfolio approach of POSEA (Yevseyeva,
Guerreiro, Emmerich, Fonseca, PPSN 2014) with the hypervolume Sharpe ratio (Guerreiro, Fonseca,
PPSN 2016). Each point is an asset; its return is whether it dominates a random point of the box
between two references.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from .indicators import Points, front


@dataclass(frozen=True, slots=True)
class Portfolio:
    """How much of one unit of capital goes into each point, and the ratio this reaches."""

    shares: NDArray[np.float64]
    sharpe_ratio: float


def investments(points: Points, lower: Points, upper: Points) -> Portfolio:
    """Invest in points by maximising the hypervolume Sharpe ratio.

    Args:
        points: minimised objectives, shape (points, objectives).
        lower: the ideal corner, shape (objectives,).
        upper: the worst corner, shape (objectives,); points beyond it get nothing.

    Returns:
        Shares that sum to 1 (all 0 where no point lies below `upper`); a dominated point gets 0,
        and among equal points the first gets the whole share.
    """
    points, lower, upper = (
        np.asarray(values, dtype=np.float64) for values in (points, lower, upper)
    )
    if np.any(upper <= lower):
        raise ValueError(f"upper must exceed lower in every objective, got {lower} and {upper}")
    shares = np.zeros(len(points))
    _, first = np.unique(points, axis=0, return_index=True)
    distinct = np.sort(first)
    chosen = distinct[np.all(points[distinct] < upper, axis=1)] if len(points) else distinct
    chosen = chosen[front(points[chosen])]
    if len(chosen) == 0:
        return Portfolio(shares, 0.0)
    returns = _joint_returns(points[chosen], lower, upper)
    mean = np.diag(returns)
    covariance = returns - np.outer(mean, mean)
    weights = _minimum_risk(covariance, mean)
    shares[chosen] = weights / weights.sum()
    risk = float(shares[chosen] @ covariance @ shares[chosen])
    ratio = float(mean @ shares[chosen]) / np.sqrt(risk) if risk > 0 else np.inf
    return Portfolio(shares, float(ratio))


def _joint_returns(points: Points, lower: Points, upper: Points) -> NDArray[np.float64]:
    """p_ij: the share of the box that points i and j both dominate, shape (points, points)."""
    worst = np.maximum(points[:, None, :], points[None, :, :])
    sides = np.maximum(0.0, upper - worst) / (upper - lower)
    joint: NDArray[np.float64] = sides.prod(axis=2)
    return joint


def _minimum_risk(
    covariance: NDArray[np.float64], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """argmin y'Qy with p'y = 1, y >= 0, up to scale, as a non-negative least squares problem.

    With Q = L L', the weights y/(p'y) of the minimiser of |L'y|^2 + (p'y - 1)^2 solve the
    constrained problem: both are the non-negative ray with the least y'Qy / (p'y)^2.
    """
    scale = mean.max()  # tiny returns would look like none at all to the solver
    values, vectors = np.linalg.eigh(covariance / scale)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    system = np.vstack([root, mean / scale])
    weights, _ = nnls(system, np.append(np.zeros(len(mean)), 1.0))
    solution: NDArray[np.float64] = weights
    return solution
