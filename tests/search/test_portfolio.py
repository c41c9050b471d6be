from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from secateur.search.portfolio import investments

ZERO, FOUR = np.zeros(2), np.full(2, 4.0)


@st.composite
def point_sets(draw: st.DrawFn) -> np.ndarray:
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 4)))
    return draw(arrays(np.float64, shape, elements=st.integers(0, 24).map(lambda n: n / 20)))


def invest(points: np.ndarray) -> np.ndarray:
    objectives = points.shape[1]
    return investments(points, np.zeros(objectives), np.full(objectives, 1.1)).shares


def test_a_symmetric_staircase_gets_equal_shares():
    portfolio = investments(np.array([[1, 3], [2, 2], [3, 1]]), ZERO, FOUR)
    np.testing.assert_allclose(portfolio.shares, 1 / 3, atol=1e-5)
    assert portfolio.sharpe_ratio == pytest.approx(0.674200, abs=1e-5)


def test_ten_points_get_the_shares_of_the_worked_example():
    points = np.array(
        [
            *[(40, 48), (3, 81), (53, 94), (76, 81), (6, 48)],
            *[(74, 53), (14, 1), (59, -9), (44, 34), (83, -2)],
        ]
    )
    portfolio = investments(points, np.full(2, -10.0), np.full(2, 100.0))
    expected = [0, 0.04014, 0, 0, 0.12269, 0, 0.70152, 0.13565, 0, 0]
    np.testing.assert_allclose(portfolio.shares, expected, atol=1e-5)
    assert portfolio.sharpe_ratio == pytest.approx(1.583823, abs=1e-5)


def returns(points: np.ndarray, upper: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the returns, by their definition, pair by pair."""
    joint = np.array([[np.prod(upper - np.maximum(a, b)) for b in points] for a in points])
    joint /= upper ** points.shape[1]
    mean = np.diag(joint)
    return mean, joint - np.outer(mean, mean)


def by_enumeration(points: np.ndarray, upper: float) -> np.ndarray:
    """Try every set of points that may hold capital; the best feasible one is the optimum."""
    mean, covariance = returns(points, upper)
    best, shares = np.inf, np.zeros(len(points))
    for size in range(1, len(points) + 1):
        for chosen in map(list, combinations(range(len(points)), size)):
            weights = np.linalg.solve(covariance[np.ix_(chosen, chosen)], mean[chosen])
            weights /= weights @ mean[chosen]
            risk = weights @ covariance[np.ix_(chosen, chosen)] @ weights
            if np.all(weights >= 0) and risk < best:
                best, shares = risk, np.zeros(len(points))
                shares[chosen] = weights / weights.sum()
    return shares


@pytest.mark.parametrize("seed", range(10))
def test_the_shares_are_those_of_the_best_set_of_points(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.1, 1.0, size=(6, 2 + seed % 2))
    np.testing.assert_allclose(invest(points), by_enumeration(points, 1.1), atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_solver_of_the_programme_takes_less_risk(seed):
    points = np.random.default_rng(seed).normal(size=(15, 3))
    points = 1 - np.abs(points) / np.linalg.norm(points, axis=1, keepdims=True)  # one front
    mean, covariance = returns(points, 1.1)
    solved = minimize(
        lambda y: y @ covariance @ y,
        np.full(15, 1 / mean.sum()),
        jac=lambda y: 2 * covariance @ y,
        bounds=[(0, None)] * 15,
        constraints={"type": "eq", "fun": lambda y: mean @ y - 1, "jac": lambda _: mean},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    ours = invest(points) / (mean @ invest(points))
    assert solved.success
    assert ours @ covariance @ ours == pytest.approx(solved.fun, rel=1e-6)


@given(point_sets())
def test_shares_are_not_negative_and_sum_to_1_where_any_point_is_inside(points):
    shares = invest(points)
    assert np.all(shares >= 0)
    inside = bool(np.any(np.all(points < 1.1, axis=1)))
    assert shares.sum() == pytest.approx(1.0 if inside else 0.0, abs=1e-9)


@given(point_sets())
def test_dominated_points_and_points_beyond_the_upper_corner_get_nothing(points):
    shares = invest(points)
    for index, point in enumerate(points):
        dominated = np.any(np.all(points <= point, axis=1) & np.any(points < point, axis=1))
        if dominated or np.any(point >= 1.1):
            assert shares[index] == 0


@given(point_sets())
def test_of_equal_points_the_first_gets_the_whole_share(points):
    twice = invest(np.vstack([points, points]))
    np.testing.assert_array_equal(twice[len(points) :], 0)
    np.testing.assert_allclose(twice[: len(points)], invest(points), atol=1e-9)


@given(point_sets(), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_the_points_does_not_matter(points, random):
    points = np.unique(points, axis=0)
    order = random.sample(range(len(points)), len(points))
    np.testing.assert_allclose(invest(points[order]), invest(points)[order], atol=1e-7)


def test_a_point_that_beats_the_whole_box_carries_no_risk():
    portfolio = investments(np.array([[0.0, 0.0], [1.0, 2.0]]), ZERO, FOUR)
    assert portfolio.shares.tolist() == [1.0, 0.0]
    assert portfolio.sharpe_ratio == np.inf


def test_no_points_get_nothing():
    portfolio = investments(np.empty((0, 2)), ZERO, FOUR)
    assert portfolio.shares.shape == (0,)
    assert portfolio.sharpe_ratio == 0.0


@pytest.mark.parametrize("gap", [1e-12, 3e-16])
def test_a_point_just_inside_the_upper_corner_gets_its_share(gap):
    assert invest(np.full((1, 3), 1.1 - gap)).tolist() == [1.0]


def test_an_upper_corner_that_does_not_exceed_the_lower_is_refused():
    with pytest.raises(ValueError, match="upper must exceed lower"):
        investments(np.array([[1.0, 1.0]]), FOUR, np.array([5.0, 4.0]))
