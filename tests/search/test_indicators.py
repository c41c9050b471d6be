import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.search.indicators import (
    Dominated,
    contested,
    front,
    hypervolume,
    knee,
    running_hypervolume,
    told_apart_front,
)

GRID = st.integers(0, 12).map(lambda tenths: tenths / 10)


@st.composite
def point_sets(draw: st.DrawFn, most: int = 8) -> np.ndarray:
    shape = (draw(st.integers(1, most)), draw(st.integers(2, 3)))
    return draw(arrays(np.float64, shape, elements=GRID))


def test_three_points_of_a_staircase_dominate_six_squares():
    assert hypervolume(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), 4.0) == pytest.approx(6.0)


def test_three_boxes_dominate_what_inclusion_and_exclusion_gives():
    points = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]])
    # Each box has 3 * 2 * 1, two share 2 * 1 * 1, all three share 1: 3 * 6 - 3 * 2 + 1.
    assert hypervolume(points, 4.0) == pytest.approx(13.0)


def test_dominated_and_equal_points_add_nothing():
    points = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 3.0]])
    assert hypervolume(points, 4.0) == pytest.approx(9.0)


def test_a_point_on_or_beyond_the_reference_adds_nothing():
    inside = np.array([[0.5, 0.5]])
    outside = np.array([[0.1, 1.1], [1.2, 0.0], [0.5, 0.5]])
    assert hypervolume(outside) == pytest.approx(hypervolume(inside)) == pytest.approx(0.36)
    assert hypervolume(outside[:2]) == 0.0


def test_no_points_dominate_nothing():
    assert hypervolume(np.empty((0, 3))) == 0.0
    assert running_hypervolume(np.empty((0, 3))) == []


@given(point_sets())
def test_the_running_hypervolume_is_that_of_every_prefix(points):
    prefixes = [hypervolume(points[: count + 1]) for count in range(len(points))]
    np.testing.assert_allclose(running_hypervolume(points), prefixes, rtol=0, atol=1e-12)


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(one <= other) and np.any(one < other))


@given(point_sets())
def test_the_front_holds_exactly_the_points_that_none_dominates(points):
    expected = [
        index
        for index, point in enumerate(points)
        if not any(dominates(other, point) for other in points)
    ]
    assert front(points).tolist() == expected


def test_no_points_have_no_front():
    assert front(np.empty((0, 2))).tolist() == []


def test_equal_points_all_stay_on_the_front():
    assert front(np.array([[1.0, 2.0], [3.0, 3.0], [1.0, 2.0]])).tolist() == [0, 2]


def test_the_knee_is_nearest_to_the_ideal_with_every_axis_stretched():
    assert knee(np.array([[0.0, 1000.0], [0.3, 300.0], [0.5, 100.0], [1.0, 0.0]])) == 1
    # Unstretched, the last point would be nearest to (0, 0).


def test_an_axis_on_which_all_points_agree_does_not_matter_to_the_knee():
    assert knee(np.array([[0.9, 5.0], [0.1, 5.0]])) == 1


def test_the_only_point_is_the_knee():
    assert knee(np.array([[7.0, 7.0]])) == 0


def test_no_points_have_no_knee():
    with pytest.raises(ValueError, match="at least one point"):
        knee(np.empty((0, 2)))


@given(point_sets(most=12))
def test_a_point_gains_what_the_hypervolume_grows_by(both):
    points, further, reference = both[::2], both[1::2], 0.9
    gains = Dominated.by(points, reference).gains(further)
    before = hypervolume(points, reference)
    grown = [hypervolume(np.vstack([points, point]), reference) - before for point in further]
    np.testing.assert_allclose(gains, grown, atol=1e-12)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_boxes_fill_the_dominated_region_without_overlap(objectives):
    rng = np.random.default_rng(objectives)
    points, corner = rng.random((40, objectives)), np.full(objectives, 0.8)
    region = Dominated.by(points, corner)
    sides = region.upper - region.lower
    assert np.all(sides > 0)
    np.testing.assert_allclose(sides.prod(axis=1).sum(), hypervolume(points, corner))
    probes = rng.random((500, objectives)) * 0.8
    within = np.all((region.lower <= probes[:, None]) & (probes[:, None] < region.upper), axis=2)
    dominated = np.any(np.all(points <= probes[:, None], axis=2), axis=1)
    np.testing.assert_array_equal(within.sum(axis=1), dominated)


def test_nothing_dominates_nothing_and_a_point_gains_its_box():
    region = Dominated.by(np.empty((0, 3)), 1.0)
    np.testing.assert_allclose(region.gains(np.array([[0.5, 0.5, 0.5], [1.5, 0, 0]])), [0.125, 0])


def spans(*rows):
    """Points whose second objective has an interval; the first is exact."""
    table = np.array(rows, dtype=float)
    error = table[:, :1]
    return tuple(np.hstack([error, table[:, [column]]]) for column in (2, 1, 3))


def test_what_cannot_be_told_apart_is_equal_and_the_rest_decides():
    """The second is faster by its value, but its interval meets the first one's."""
    points, low, high = spans((0.10, 0.98, 1.00, 1.02), (0.11, 0.97, 0.99, 1.01))
    assert front(points).tolist() == [0, 1]
    assert told_apart_front(points, low, high).tolist() == [0]


def test_what_can_be_told_apart_stays():
    points, low, high = spans((0.10, 0.98, 1.00, 1.02), (0.11, 0.90, 0.92, 0.94))
    assert told_apart_front(points, low, high).tolist() == [0, 1]


def test_a_chain_of_neighbours_keeps_those_that_can_be_told_from_each_other():
    """Each meets the next, and the last is faster than the first beyond doubt."""
    latencies = 1.0 - 0.02 * np.arange(9)
    rows = [(0.1 + 0.01 * place, x - 0.03, x, x + 0.03) for place, x in enumerate(latencies)]
    points, low, high = spans(*rows)
    assert told_apart_front(points, low, high).tolist() == [0, 4, 8]


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3)),
        min_size=1,
        max_size=20,
    )
)
def test_the_told_apart_front_lacks_of_the_front_only_what_it_cannot_tell_from_its_points(rows):
    points, low, high = spans(*((e, x - below, x, x + above) for e, x, below, above in rows))
    kept = told_apart_front(points, low, high).tolist()
    assert set(kept) <= set(front(points).tolist())
    for index in front(points):
        if index not in kept:
            assert any(
                (low[rival] <= high[index]).all() and points[rival, 0] <= points[index, 0]
                for rival in kept
            )


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_exact_points_have_the_front_of_their_values(rows):
    points = np.array(rows)
    assert told_apart_front(points, points, points).tolist() == front(points).tolist()
    assert contested(points, points, points, front(points)).tolist() == []


def test_contested_are_those_that_drop_out_by_their_intervals_and_what_they_cannot_be_told_from():
    points, low, high = spans(
        (0.10, 0.98, 1.00, 1.02),
        (0.11, 0.97, 0.99, 1.01),  # not to be told from the first
        (0.20, 0.78, 0.80, 0.82),  # alone
        (0.30, 0.99, 1.01, 1.03),  # dominated
    )
    kept = told_apart_front(points, low, high)
    assert kept.tolist() == [0, 2]
    assert contested(points, low, high, kept).tolist() == [0, 1]
