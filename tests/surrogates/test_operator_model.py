import numpy as np
import pytest

from secateur.surrogates.latency_model import latency_model
from secateur.surrogates.operator_model import LEAST, OperatorModel, layers_time

RNG = np.random.default_rng(0)


def layers(count: int) -> np.ndarray:
    """Convolutions of a network for CIFAR, in any widths."""
    outputs, inputs = RNG.integers(1, 65, (2, count))
    side = RNG.choice([8, 16, 32], count)
    return np.column_stack([outputs, inputs, np.full((2, count), 3).T, side**2]).astype(float)


def truth(sizes: np.ndarray) -> np.ndarray:
    """A staircase in the outputs, and something for every call."""
    outputs, inputs, height, width, positions = sizes.T
    return 0.002 + 1e-8 * 16 * np.ceil(outputs / 16) * inputs * height * width * positions


KNOWN = layers(300)
MODEL = OperatorModel(KNOWN, truth(KNOWN))


def test_layers_of_other_sizes_are_predicted():
    others = layers(200)
    assert np.median(np.abs(MODEL(others) / truth(others) - 1)) < 0.03


def test_a_part_filled_vector_of_outputs_costs_as_much_as_a_full_one():
    some, full = MODEL(np.array([[17.0, 24, 3, 3, 256], [32.0, 24, 3, 3, 256]]))
    assert some == pytest.approx(full)


def test_what_a_depthwise_layer_takes_hangs_on_its_outputs():
    """It has one input for each output, and takes three times as long in the plain layout."""
    sizes = np.tile([0.0, 1.0, 3.0, 3.0, 64.0], (200, 1))
    sizes[:, 0] = RNG.integers(8, 200, 200)

    def taken(sizes):
        return 1e-4 * sizes[:, 0] * np.where(sizes[:, 0] % 4 == 0, 1.0, 3.0)

    model = OperatorModel(sizes[:150], taken(sizes[:150]))
    assert np.median(np.abs(model(sizes[150:]) / taken(sizes[150:]) - 1)) < 0.1


def test_the_middle_of_several_times_of_a_layer_counts():
    noisy = np.concatenate([truth(KNOWN), truth(KNOWN), 50 * truth(KNOWN)])
    model = OperatorModel(np.tile(KNOWN, (3, 1)), noisy)
    np.testing.assert_allclose(model(KNOWN), MODEL(KNOWN))


def test_what_was_asked_before_is_answered_alike():
    others = layers(50)
    np.testing.assert_array_equal(MODEL(others), MODEL(others))
    np.testing.assert_array_equal(MODEL(others[::-1]), MODEL(others)[::-1])


def test_too_few_layers_are_refused():
    few = layers(LEAST - 1)
    with pytest.raises(ValueError, match=f"expected {LEAST} different layers or more, got"):
        OperatorModel(few, truth(few))


def test_a_network_takes_what_its_layers_take():
    """Two layers: 3 channels to the first group, the first group to the second."""
    fixed = np.array([[0.0, 3, 3, 3], [0.0, 0, 3, 3]])
    per_width = np.zeros((2, 4, 2))
    per_width[0, 0, 0] = per_width[1, 0, 1] = per_width[1, 1, 0] = 1.0
    total = layers_time(MODEL, fixed, per_width, np.array([1024.0, 256.0]))
    by_hand = MODEL(np.array([[20.0, 3, 3, 3, 1024], [40.0, 20, 3, 3, 256]])).sum()
    genomes = np.array([[20, 40, 7], [5, 9, 7]])  # the last gene is no width
    assert total(genomes)[0] == pytest.approx(by_hand)
    assert total(genomes).shape == (2,)


def test_a_third_dimension_of_a_kernel_counts_as_if_in_its_second():
    deep, wide = np.array([[20.0, 8, 3, 3, 3]]), np.array([[20.0, 8, 3, 9]])
    nothing = np.zeros((1, 1), dtype=np.int64)
    times = [
        layers_time(MODEL, fixed, np.zeros((*fixed.shape, 1)), np.ones(1))(nothing)
        for fixed in (deep, wide)
    ]
    assert times[0] == pytest.approx(times[1])


def test_a_latency_model_with_a_prior_needs_few_measurements():
    dense = (64, 64)
    genomes = np.column_stack([RNG.integers(1, 65, 100), RNG.integers(1, 65, 100)])
    staircase = np.ceil(genomes / 16) @ np.array([0.7, 0.3]) + 0.02 * genomes[:, 0]
    latency = 1.3 * staircase
    few, others = genomes[:4], genomes[4:]

    def error(prior) -> float:
        mean, _ = latency_model(dense, prior)(few, latency[:4])(others)
        return float(np.median(np.abs(mean / latency[4:] - 1)))

    def known(rows):
        return np.ceil(rows / 16) @ np.array([0.7, 0.3]) + 0.02 * rows[:, 0]

    assert error(known) < 0.01
    assert error(known) < 0.2 * error(None)
