import math

import pytest

from secateur.search.candidate import Candidate, Estimate, Evaluation


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(3))
def test_an_estimate_is_finite(broken, place):
    numbers = [1.0, 1.0, 1.0]
    numbers[place] = broken
    with pytest.raises(ValueError, match="finite"):
        Estimate(*numbers)


@pytest.mark.parametrize(("value", "low", "high"), [(0.9, 1.0, 2.0), (2.1, 1.0, 2.0), (1, 2, 0)])
def test_an_estimate_lies_in_its_interval(value, low, high):
    with pytest.raises(ValueError, match="interval"):
        Estimate(value, low, high)


def test_a_computed_number_has_an_interval_of_no_length():
    assert Estimate.exact(3) == Estimate(3.0, 3.0, 3.0)


def test_candidates_are_numbered_from_0():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        Candidate(-1, (4,), "initial")


def test_an_evaluations_objectives_are_its_measured_values_in_order():
    evaluation = Evaluation(
        Candidate(0, (4,), "dense"), (Estimate(0.2, 0.1, 0.3), Estimate.exact(7.0))
    )
    assert evaluation.objectives == (0.2, 7.0)
