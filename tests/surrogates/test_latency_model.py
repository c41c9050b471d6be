import numpy as np
import pytest
from scipy.stats import kendalltau

from secateur.surrogates.latency_model import aligned_shares, latency_model, staircase_features

DENSE = (16, 32, 32, 64)


def genomes_of(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(1, width + 1, size=count) for width in DENSE], axis=1)


def latency_of(genomes: np.ndarray) -> np.ndarray:
    """A staircase: a part-filled vector of 8 channels costs as much as a full one."""
    return 0.5 + -(-genomes // 8) @ np.array([0.2, 0.1, 0.1, 0.05])


MEASURED, ELSEWHERE = genomes_of(80, 0), genomes_of(60, 1)


def test_a_staircase_is_recovered():
    mean, _ = latency_model(DENSE)(MEASURED, latency_of(MEASURED))(ELSEWHERE)
    assert kendalltau(mean, latency_of(ELSEWHERE)).statistic > 0.7
    constant = np.abs(latency_of(ELSEWHERE) - latency_of(MEASURED).mean()).mean()
    assert np.abs(mean - latency_of(ELSEWHERE)).mean() < 0.5 * constant


def test_the_same_data_give_the_same_answers_bit_for_bit():
    answers = [latency_model(DENSE)(MEASURED, latency_of(MEASURED))(ELSEWHERE) for _ in range(2)]
    np.testing.assert_array_equal(answers[0], answers[1])


@pytest.mark.parametrize("count", [1, 2, 80])
def test_deviations_are_not_negative_and_everything_is_finite(count):
    values = latency_of(MEASURED[:count])
    mean, deviation = latency_model(DENSE)(MEASURED[:count], values)(ELSEWHERE)
    assert mean.shape == deviation.shape == (60,)
    assert np.all(deviation >= 0)
    assert np.all(np.isfinite(mean))


def test_widths_that_fill_the_same_vectors_are_predicted_nearly_alike():
    predict = latency_model(DENSE)(MEASURED, latency_of(MEASURED))
    (on, below, above), _ = predict(np.array([[8, 16, 16, 24], [8, 16, 16, 20], [8, 16, 16, 28]]))
    assert abs(on - below) < 0.5 * abs(on - above)


def test_the_features_are_widths_vectors_filled_and_their_sums():
    features = staircase_features(np.array([[4, 9, 20]]), np.array([8, 16, 32]))
    widths, eights, sixteens = [4, 9, 20], [1, 2, 3], [1, 1, 2]
    one_group_a_width = [*widths, *eights, *sixteens]
    assert features[0].tolist() == [*widths, *eights, *sixteens, *one_group_a_width]


def test_groups_of_the_same_dense_width_are_summed():
    features = staircase_features(np.array([[4, 9, 20]]), np.array([16, 16, 32]))
    np.testing.assert_allclose(features[0, 9:15], [13, 20, 3, 3, 2, 2])


def test_genes_behind_the_widths_are_no_features():
    dense = np.array([16, 32])
    assert np.array_equal(
        staircase_features(np.array([[8, 20, 1, 0]]), dense),
        staircase_features(np.array([[8, 20]]), dense),
    )


def test_multiples_of_channels_are_counted_among_groups_of_one_dense_width():
    """Groups of 16 first: one of two is a multiple of 4 and of 8; 32 is one of 16 as well."""
    shares = aligned_shares(np.array([[8, 9, 32, 3]]), np.array([16, 16, 32]))
    np.testing.assert_allclose(shares, [[0.5, 1.0, 0.5, 1.0, 0.0, 1.0]])


@pytest.mark.parametrize("channels", [4, 8])
def test_what_other_layouts_cost_beside_the_staircase_is_learned(channels):
    """A network pays for every group that is no multiple of so many channels."""

    def paid(genomes):
        return latency_of(genomes) + 0.4 * (genomes % channels != 0).sum(axis=1)

    step = channels // 2
    measured, elsewhere = (genomes_of(60, seed) // step * step + step for seed in (2, 3))
    mean, _ = latency_model(DENSE)(measured, paid(measured))(elsewhere)
    assert kendalltau(mean, paid(elsewhere)).statistic > 0.8
