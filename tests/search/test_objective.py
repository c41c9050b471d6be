import numpy as np
import pytest

from secateur.search.objective import Objective, Scale

ERROR, LATENCY = Objective("error", relative=False), Objective("latency_ms", relative=True)


def test_a_relative_objective_counts_in_multiples_of_the_dense_networks():
    scale = Scale.of((ERROR, LATENCY), (0.08, 4.0))
    points = np.array([[0.08, 4.0], [0.2, 1.0]])
    np.testing.assert_allclose(scale.normalise(points), [[0.08, 1.0], [0.2, 0.25]])


@pytest.mark.parametrize("dense", [0.0, -1.0])
def test_a_dense_network_that_costs_nothing_cannot_be_compared_with(dense):
    with pytest.raises(ValueError, match="latency_ms of the dense network must be above 0"):
        Scale.of((ERROR, LATENCY), (0.08, dense))


def test_an_absolute_objective_may_be_0():
    assert Scale.of((ERROR,), (0.0,)).divisors == (1.0,)


def test_every_objective_has_a_value():
    with pytest.raises(ValueError, match="zip"):
        Scale.of((ERROR, LATENCY), (0.08,))
