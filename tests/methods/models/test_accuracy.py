import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from secateur.methods.data.datasets import cifar10
from secateur.methods.data.images import Images
from secateur.methods.data.normalisation import Normalisation
from secateur.methods.models.accuracy import (
    AccuracyMeter,
    error_estimate,
    predictions,
    recalibrate,
)
from secateur.methods.networks import cifar_resnet
from secateur.methods.tensors.weights import assign, read_weights

RNG = np.random.default_rng(0)
PLAIN = Normalisation((0.5, 0.4, 0.3), (0.2, 0.25, 0.5))


def images(count: int, *, classes: int = 5) -> Images:
    pixels = RNG.integers(0, 256, size=(count, 8, 8, 3), dtype=np.uint8)
    return Images(pixels, RNG.integers(0, classes, size=count))


def test_pixels_are_normalised_channel_by_channel():
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 1, 0] = (255, 51, 0)
    inputs = PLAIN(Images(pixels, np.zeros(1, np.int64)))
    assert (inputs.shape, inputs.dtype) == ((1, 3, 2, 2), torch.float32)
    torch.testing.assert_close(inputs[0, :, 1, 0], torch.tensor([2.5, -0.8, -0.6]))
    torch.testing.assert_close(inputs[0, :, 0, 0], torch.tensor([-2.5, -1.6, -0.6]))


def test_one_batch_gives_a_batchnorm_the_mean_and_the_variance_of_the_data():
    data = RNG.normal(3, 2, size=(40, 2, 5, 5)).astype(np.float32)
    norm = recalibrate(nn.BatchNorm2d(2), torch.from_numpy(data))
    channels = data.swapaxes(0, 1).reshape(2, -1)
    np.testing.assert_allclose(norm.running_mean, channels.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var, channels.var(axis=1, ddof=1), rtol=1e-5)


def test_several_batches_are_averaged_plainly():
    data = RNG.normal(size=(60, 2, 5, 5)).astype(np.float32)
    norm = recalibrate(nn.BatchNorm2d(2), torch.from_numpy(data), batch=20)
    batches = data.reshape(3, 20, 2, 25).swapaxes(1, 2).reshape(3, 2, -1)
    np.testing.assert_allclose(norm.running_mean, batches.mean(axis=(0, 2)), atol=1e-6)
    np.testing.assert_allclose(
        norm.running_var, batches.var(axis=2, ddof=1).mean(axis=0), rtol=1e-5
    )


def test_recalibration_forgets_whatever_was_seen_before():
    data = torch.randn(30, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    fresh, used = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    used.train()(100 + data)
    recalibrate(used, 7 * data)
    for norm in (fresh, used):
        recalibrate(norm, data)
    assert torch.equal(used.running_mean, fresh.running_mean)
    assert torch.equal(used.running_var, fresh.running_var)


def test_recalibration_changes_nothing_but_the_statistics():
    network = nn.Sequential(
        nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, momentum=0.3), nn.Dropout()
    ).eval()
    before = copy.deepcopy(network.state_dict())
    recalibrate(network, torch.randn(10, 2, 4, 4))
    assert not any(module.training for module in network.modules())
    assert network[1].momentum == 0.3
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        assert torch.equal(network.state_dict()[name], before[name])


def test_a_network_that_fails_is_put_back_into_evaluation_mode():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(5, 1, 1)).eval()
    with pytest.raises(RuntimeError, match="channels"):
        recalibrate(network, torch.randn(4, 2, 3, 3))
    assert not network[0].training
    assert network[0].momentum == 0.1


def test_dropout_does_not_disturb_recalibration():
    network = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm2d(2)).eval()
    data = torch.randn(20, 2, 4, 4)
    recalibrate(network, data)
    torch.testing.assert_close(network[1].running_mean, data.mean(dim=(0, 2, 3)))


def test_a_last_batch_of_one_image_is_no_obstacle():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(2)).eval()
    recalibrate(network, torch.randn(9, 2, 4, 4), batch=4)


def test_a_prediction_is_the_class_of_the_largest_logit_in_the_order_of_the_images():
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(predictions(nn.Identity(), logits, batch=3), logits.argmax(dim=1))


def test_predictions_are_made_in_evaluation_mode():
    network = nn.Sequential(nn.Dropout(0.99)).train()
    logits = torch.rand(50, 4)
    assert torch.equal(predictions(network, logits), logits.argmax(dim=1))


@pytest.mark.parametrize(
    ("wrong", "count", "low", "high"),
    [
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (5, 10, 0.236593, 0.763407),
        (1, 29, 0.006113, 0.171755),  # Newcombe 1998, table I, method 3
        (81, 263, 0.255289, 0.366223),  # the same table
    ],
)
def test_the_interval_is_wilsons(wrong, count, low, high):
    estimate = error_estimate(wrong, count)
    assert estimate.value == wrong / count
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-4)


def test_the_interval_narrows_with_more_images():
    few, many = error_estimate(10, 100), error_estimate(100, 1000)
    assert many.high - many.low < 0.5 * (few.high - few.low)


def meter(tiny, **splits: Images) -> AccuracyMeter:
    return AccuracyMeter(tiny.pruner, PLAIN, recalibration=images(32), splits=splits)


def test_the_error_is_the_share_of_wrong_answers_of_the_cut_and_recalibrated_network(tiny):
    search = images(120)
    measure = meter(tiny, search=search)
    error = measure((2, 5), "search")
    network = measure.network((2, 5))
    wrong = network(PLAIN(search)).argmax(dim=1).numpy() != search.labels
    assert error == error_estimate(int(wrong.sum()), 120)
    assert network.get_submodule("layer1.0").conv1.weight.shape[0] == 2


def test_the_dense_network_is_measured_as_it_was_trained(tiny):
    measure = meter(tiny)
    dense = measure.network((4, 8)).state_dict()
    for name, tensor in tiny.network.state_dict().items():
        assert torch.equal(dense[name], tensor), name
    cut = measure.network((4, 7)).state_dict()
    assert not torch.equal(cut["bn1.running_mean"], dense["bn1.running_mean"])


def test_every_split_has_its_own_error(tiny):
    right, wrong = images(60), images(60)
    network = meter(tiny, any=right).network((4, 8))
    measure = meter(tiny)
    for split in (right, wrong):
        split.labels[:] = network(PLAIN(split)).argmax(dim=1).numpy()
    wrong.labels[:] += 1
    measure = meter(tiny, right=right, wrong=wrong)
    assert measure.error(network, "right").value == 0.0
    assert measure.error(network, "wrong").value == 1.0


def test_measuring_a_candidate_does_not_change_what_is_measured_next(tiny):
    measure = meter(tiny, search=images(60))
    before = copy.deepcopy(tiny.pruner.state)
    first = measure((2, 5), "search")
    measure((1, 1), "search")
    measure((4, 8), "search")
    assert measure((2, 5), "search") == first
    assert all(torch.equal(before[name], tensor) for name, tensor in tiny.pruner.state.items())


class Full:
    """A pruner on a device that is full."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def cut(self, *_: Sequence[int], **__: bool) -> nn.Module:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory.\nA table follows"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_a_device_without_room_raises_a_memory_error_of_one_line(error):
    measure = AccuracyMeter(Full(error), PLAIN, recalibration=images(2), splits={})
    with pytest.raises(MemoryError) as caught:
        measure((4, 8), "search")
    assert str(caught.value) == str(error).splitlines()[0]


def test_a_bug_is_no_lack_of_memory():
    measure = AccuracyMeter(
        Full(RuntimeError("shapes do not fit")), PLAIN, recalibration=images(2), splits={}
    )
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        measure((4, 8), "search")


def test_the_published_resnet20_is_as_wrong_on_cifar10_as_published(real_data):
    dataset = cifar10(real_data)
    weights = read_weights(real_data / "cifar10_weights" / "resnet20.npz")
    network = assign(cifar_resnet(20), weights).eval().to(memory_format=torch.channels_last)
    inputs: Tensor = Normalisation(dataset.mean, dataset.std)(dataset.search)
    wrong = predictions(network, inputs).numpy() != dataset.search.labels
    # 8.27 % are wrong on the whole test set: 827 images, of which 426 are in its first half.
    assert int(wrong.sum()) == 426
