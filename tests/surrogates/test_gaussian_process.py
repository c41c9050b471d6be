import numpy as np
import pytest
from scipy.stats import kendalltau
from threadpoolctl import threadpool_info

from secateur.surrogates.gaussian_process import GaussianProcess, _kernel

RNG = np.random.default_rng(0)
MEASURED, ELSEWHERE = RNG.random((40, 3)), RNG.random((60, 3))


def hill(inputs: np.ndarray) -> np.ndarray:
    return np.sin(2 * inputs[:, 0]) + inputs[:, 1] ** 2 - 0.5 * inputs[:, 2]


def test_a_smooth_function_is_recovered():
    mean, _ = GaussianProcess(MEASURED, hill(MEASURED))(ELSEWHERE)
    assert kendalltau(mean, hill(ELSEWHERE)).statistic > 0.9


def test_the_same_data_give_the_same_answers_bit_for_bit():
    answers = [GaussianProcess(MEASURED, hill(MEASURED))(ELSEWHERE) for _ in range(2)]
    np.testing.assert_array_equal(answers[0], answers[1])


def test_it_is_surer_near_what_was_measured():
    near, far = MEASURED[:1], np.array([[9.0, 9.0, 9.0]])
    _, deviation = GaussianProcess(MEASURED, hill(MEASURED))(np.vstack([near, far]))
    assert 0 <= deviation[0] < deviation[1]


@pytest.mark.parametrize("values", [np.zeros(40), RNG.normal(size=40), np.full(40, 1e6)])
def test_values_without_any_order_are_no_reason_to_warn(values):
    mean, deviation = GaussianProcess(MEASURED, values)(ELSEWHERE)
    assert np.all(np.isfinite(mean))
    assert np.all(deviation >= 0)


def test_the_same_point_measured_often_is_no_reason_to_warn():
    points = np.repeat(MEASURED[:2], 20, axis=0)
    mean, deviation = GaussianProcess(points, hill(points))(points)
    np.testing.assert_allclose(mean, hill(points), atol=0.01)
    assert np.all(deviation >= 0)


def test_the_number_of_threads_is_put_back():
    before = [library["num_threads"] for library in threadpool_info()]
    GaussianProcess(MEASURED, hill(MEASURED))(ELSEWHERE)
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_the_kernel_is_found_anew_with_every_tenth_datum_only():
    _kernel.cache_clear()
    for count in (20, 21, 29, 30, 31):
        GaussianProcess(MEASURED[:count], hill(MEASURED[:count]))
    assert _kernel.cache_info().misses == 2


def test_what_came_since_the_kernel_was_found_counts_all_the_same():
    mean, deviation = GaussianProcess(MEASURED[:39], hill(MEASURED[:39]))(MEASURED[36:39])
    np.testing.assert_allclose(mean, hill(MEASURED[36:39]), atol=0.02)
    assert deviation.max() < 0.1


def test_of_many_data_it_knows_the_latest_and_some_from_before():
    inputs = np.random.default_rng(1).random((5000, 3))
    inputs[4600:] += 2  # the latest are elsewhere
    mean, deviation = GaussianProcess(inputs, hill(inputs))(inputs[[0, 2000, 4999]])
    np.testing.assert_allclose(mean, hill(inputs[[0, 2000, 4999]]), atol=0.05)
    assert np.all(deviation < 0.05)
