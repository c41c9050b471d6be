import numpy as np
import pytest

from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.objective import Objective

ERROR, LATENCY = Objective("error", relative=False), Objective("latency_ms", relative=True)
GOALS = Goals((ERROR, LATENCY))


def test_a_relative_objective_counts_in_multiples_of_the_dense_networks():
    values = np.array([[0.08, 4.0], [0.2, 1.0]])
    np.testing.assert_allclose(GOALS.beside((0.08, 4.0)).points(values), [[0.08, 1.0], [0.2, 0.25]])


@pytest.mark.parametrize("dense", [0.0, -1.0])
def test_a_dense_network_that_costs_nothing_cannot_be_compared_with(dense):
    with pytest.raises(ValueError, match="latency_ms of the dense network must be above 0"):
        GOALS.beside((0.08, dense))


def test_an_absolute_objective_may_be_0():
    assert Goals((ERROR,)).beside((0.0,)).divisors.tolist() == [1.0]


def test_every_quantity_has_a_value():
    with pytest.raises(ValueError, match="a value for each of error, latency_ms, got 1"):
        GOALS.beside((0.08,))


def test_only_the_error_has_a_bound_of_its_own():
    assert GOALS.reference().tolist() == [1.1, 1.1]
    assert GOALS.reference(0.3).tolist() == [0.3, 1.1]


def test_what_only_constraints_speak_of_comes_after_the_objectives():
    constraints = (Constraint("params", 0.5, relative=True), Constraint("error", 0.1, False))
    assert Goals((ERROR, LATENCY), constraints).quantities == ("error", "latency_ms", "params")


def test_what_is_only_bounded_is_no_coordinate():
    judge = Goals((ERROR,), (Constraint("latency_ms", 0.5, relative=True),)).beside((0.08, 4.0))
    assert judge.points(np.array([[0.2, 1.0]])).tolist() == [[0.2]]


def test_a_violation_is_the_sum_of_the_shares_beyond_the_bounds():
    bounds = (Constraint("latency_ms", 0.5, relative=True), Constraint("error", 0.2, False))
    values = np.array([[0.2, 2.0], [0.3, 2.0], [0.1, 3.0], [0.4, 4.0]])
    found = Goals((ERROR, LATENCY), bounds).beside((0.05, 4.0)).violations(values)
    np.testing.assert_allclose(found, [0.0, 0.5, 0.5, 2.0])


def test_nothing_is_violated_without_constraints():
    judge = GOALS.beside((0.08, 4.0))
    assert judge.violations(np.array([[1.0, 9.0], [2.0, 9.0]])).tolist() == [0.0, 0.0]
