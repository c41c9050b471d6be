import numpy as np
import pytest
from scipy.stats import kendalltau

from secateur.search.surrogate import agreement
from secateur.surrogates.error_model import error_model

DENSE = (16, 32, 32, 64)


def genomes_of(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(1, width + 1, size=count) for width in DENSE], axis=1)


def error_of(genomes: np.ndarray) -> np.ndarray:
    """A smooth error: every group matters less than the one before."""
    lost = 1 - genomes / np.array(DENSE)
    return 0.08 + lost**2 @ np.array([0.4, 0.2, 0.1, 0.05])


MEASURED, ELSEWHERE = genomes_of(40, 0), genomes_of(60, 1)


def test_a_smooth_function_is_recovered():
    mean, _ = error_model(DENSE)(MEASURED, error_of(MEASURED))(ELSEWHERE)
    assert kendalltau(mean, error_of(ELSEWHERE)).statistic > 0.9
    assert np.abs(mean - error_of(ELSEWHERE)).mean() < 0.1 * np.std(error_of(ELSEWHERE))


def test_a_noisy_function_is_ranked_better_than_by_chance():
    noise = np.random.default_rng(2).normal(0, 0.05, size=len(MEASURED))
    assert agreement(error_model(DENSE), MEASURED, error_of(MEASURED) + noise) > 0.3


def test_the_same_data_give_the_same_answers_bit_for_bit():
    answers = [error_model(DENSE)(MEASURED, error_of(MEASURED))(ELSEWHERE) for _ in range(2)]
    np.testing.assert_array_equal(answers[0], answers[1])


def test_the_model_is_surer_near_what_was_measured():
    near, far = MEASURED[:1], np.array([DENSE])
    _, deviation = error_model(DENSE)(MEASURED[:8], error_of(MEASURED[:8]))(np.vstack([near, far]))
    assert 0 <= deviation[0] < deviation[1]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_deviations_are_not_negative_and_everything_is_finite(count):
    mean, deviation = error_model(DENSE)(MEASURED[:count], error_of(MEASURED[:count]))(ELSEWHERE)
    assert mean.shape == deviation.shape == (60,)
    assert np.all(deviation >= 0)
    assert np.all(np.isfinite(mean))
    assert np.all(np.isfinite(deviation))


def test_values_that_never_change_are_predicted_as_they_are():
    mean, _ = error_model(DENSE)(MEASURED, np.full(len(MEASURED), 0.25))(ELSEWHERE)
    np.testing.assert_allclose(mean, 0.25, atol=1e-6)


def test_an_error_of_0_and_one_of_1_are_as_good_as_any_other():
    values = (error_of(MEASURED) > 0.4).astype(float)
    mean, _ = error_model(DENSE)(MEASURED, values)(ELSEWHERE)
    assert np.all((mean >= 0) & (mean <= 1))
    assert mean[error_of(ELSEWHERE) > 0.5].mean() > mean[error_of(ELSEWHERE) < 0.3].mean()


def test_predicted_errors_lie_between_0_and_1():
    mean, _ = error_model(DENSE)(MEASURED, error_of(MEASURED))(np.ones((1, 4), dtype=np.int64))
    assert 0 <= mean[0] <= 1


def test_equal_genomes_with_different_errors_are_averaged():
    genomes = np.repeat(MEASURED[:10], 2, axis=0)
    values = np.repeat(error_of(MEASURED[:10]), 2) + np.tile([-0.01, 0.01], 10)
    mean, _ = error_model(DENSE)(genomes, values)(MEASURED[:10])
    np.testing.assert_allclose(mean, error_of(MEASURED[:10]), atol=0.02)


def test_a_criterion_that_hurts_is_learned():
    rng = np.random.default_rng(3)

    def measured(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        widths, chosen = genomes_of(count, seed), rng.integers(3, size=(count, len(DENSE)))
        lost = (1 - widths / np.array(DENSE)) * (1 + (chosen == 2))
        return np.concatenate([widths, chosen], axis=1), 0.08 + 0.1 * (lost**2).sum(axis=1)

    (genomes, errors), (others, truth) = measured(120, 4), measured(60, 5)
    knowing, _ = error_model(DENSE, criteria=3)(genomes, errors)(others)
    blind, _ = error_model(DENSE)(genomes, errors)(others)
    assert kendalltau(knowing, truth).statistic > kendalltau(blind, truth).statistic + 0.2
