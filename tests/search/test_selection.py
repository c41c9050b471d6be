import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.search.selection import (
    feasible_first,
    portfolio_selection,
    rank_and_crowding,
    shares,
    stochastic_universal_sampling,
)

BOTH = pytest.mark.parametrize("select", [portfolio_selection, rank_and_crowding])


@st.composite
def point_sets(draw: st.DrawFn) -> np.ndarray:
    shape = (draw(st.integers(1, 10)), draw(st.integers(2, 3)))
    return draw(arrays(np.float64, shape, elements=st.integers(0, 24).map(lambda n: n / 20)))


@BOTH
@given(points=point_sets(), survivors=st.integers(1, 12))
@settings(max_examples=40)
def test_as_many_survive_as_asked_and_nobody_twice(select, points, survivors):
    chosen = select(points, survivors).tolist()
    assert len(chosen) == len(set(chosen)) == min(survivors, len(points))
    assert set(chosen) <= set(range(len(points)))


@BOTH
@given(points=point_sets(), survivors=st.integers(1, 12))
@settings(max_examples=40)
def test_whoever_dominates_a_survivor_survives_before_it(select, points, survivors):
    chosen = select(points, survivors).tolist()
    for place, survivor in enumerate(chosen):
        better = np.all(points <= points[survivor], axis=1) & np.any(
            points < points[survivor], axis=1
        )
        inside = np.all(points < 1.1, axis=1)
        if select is rank_and_crowding or inside[survivor]:
            assert set(np.flatnonzero(better)) <= set(chosen[:place])


@BOTH
@given(points=point_sets(), survivors=st.integers(1, 12))
@settings(max_examples=20)
def test_the_same_points_have_the_same_survivors(select, points, survivors):
    assert select(points, survivors).tolist() == select(points, survivors).tolist()


@BOTH
def test_points_that_all_agree_fill_the_places(select):
    assert len(set(select(np.ones((5, 3)), 3).tolist())) == 3


@pytest.mark.parametrize("seed", range(5))
def test_the_ends_of_a_front_always_survive(seed):
    first = np.sort(np.random.default_rng(seed).random(15))
    points = np.stack([first, 1 - first**2], axis=1)
    assert {0, 14} <= set(rank_and_crowding(points, 3).tolist())


def test_a_crowded_point_dies_before_a_lonely_one():
    points = np.array([[0.0, 1.0], [0.1, 0.9], [0.11, 0.89], [0.12, 0.88], [0.6, 0.4], [1.0, 0.0]])
    assert set(rank_and_crowding(points, 5).tolist()) == {0, 1, 3, 4, 5}


def test_the_largest_investment_comes_first():
    points = np.array([[0.9, 0.2], [0.1, 0.1], [0.05, 0.9]])
    chosen = portfolio_selection(points, 3).tolist()
    assert chosen[0] == 1
    assert chosen == np.argsort(-shares(points), kind="stable").tolist()


def test_the_portfolio_of_the_rest_fills_the_places_that_the_first_leaves():
    points = np.array([[0.8, 0.8], [0.2, 0.2], [0.5, 0.5], [0.9, 0.9]])
    assert portfolio_selection(points, 3).tolist() == [1, 2, 0]


def test_points_beyond_the_reference_come_last_the_nearest_first():
    points = np.array([[1.2, 0.0], [0.9, 0.9], [0.0, 1.1], [0.5, 0.5]])
    assert portfolio_selection(points, 4).tolist() == [3, 1, 2, 0]


def test_every_objective_can_have_a_reference_of_its_own():
    points = np.array([[0.6, 0.2], [0.2, 1.0], [0.4, 0.4]])
    reference = np.array([0.5, 1.1])
    assert shares(points, reference)[0] == 0
    assert portfolio_selection(points, 3, reference).tolist()[2] == 0


def test_an_investment_is_made_between_origin_and_reference_point():
    np.testing.assert_allclose(
        shares(np.array([[0.1, 0.5], [0.5, 0.1], [1.1, 0.0]])), [0.5, 0.5, 0]
    )


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=8),
    st.integers(0, 12),
    st.integers(0, 2**32),
)
def test_one_spin_draws_everyone_as_often_as_the_weight_says(weights, draws, seed):
    rng = np.random.default_rng(seed)
    drawn = stochastic_universal_sampling(weights, draws, rng)
    counts = np.bincount(drawn, minlength=len(weights))
    shares = np.array(weights if any(weights) else [1] * len(weights), dtype=float)
    expected = draws * shares / shares.sum()
    assert len(drawn) == draws
    assert np.all(counts >= np.floor(expected - 1e-9))
    assert np.all(counts <= np.ceil(expected + 1e-9))


def test_a_weight_of_0_is_never_drawn():
    rng = np.random.default_rng(0)
    drawn = [stochastic_universal_sampling([0, 1, 0, 2, 0], 5, rng) for _ in range(200)]
    assert set(np.concatenate(drawn).tolist()) == {1, 3}


def test_the_draws_come_in_random_order():
    rng = np.random.default_rng(0)
    spins = [stochastic_universal_sampling([1, 1, 1, 1], 4, rng).tolist() for _ in range(20)]
    assert all(sorted(spin) == [0, 1, 2, 3] for spin in spins)
    assert len({tuple(spin) for spin in spins}) > 5


def test_feasible_points_come_before_better_ones_that_violate_a_constraint():
    points = np.array([[0.1, 0.1], [0.5, 0.6], [0.6, 0.5], [0.2, 0.2]])
    violations = np.array([0.3, 0.0, 0.0, 0.1])
    for count, expected in ((2, {1, 2}), (3, {1, 2, 3}), (4, {0, 1, 2, 3}), (9, {0, 1, 2, 3})):
        chosen = feasible_first(rank_and_crowding, points, violations, count).tolist()
        assert set(chosen) == expected
    assert chosen[2:] == [3, 0]


def test_where_nothing_is_feasible_the_least_violation_survives():
    points, violations = np.array([[0.1, 0.1], [0.2, 0.2]]), np.array([0.4, 0.2])
    assert feasible_first(portfolio_selection, points, violations, 1).tolist() == [1]
