from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from secateur.methods.accuracy import Normalisation
from secateur.methods.datasets import Images
from secateur.methods.finetune import Recipe, Snapshot, _batches, _shifted, finetune
from secateur.methods.networks import ResNet, initialised
from secateur.methods.training import train

NORMALISATION = Normalisation((0.5,), (0.25,))
RECIPE = Recipe(
    epochs=2,
    learning_rate=0.05,
    batch=20,
    distillation=0.9,
    temperature=4.0,
    mirror=False,
    seed=0,
)


def stripes(count: int = 120) -> Images:
    """Grey pictures with upright stripes, with level stripes, and without any."""
    labels = np.arange(count) % 3
    pixels = np.random.default_rng(0).integers(40, 160, size=(count, 8, 8, 1))
    pixels[labels == 0, :, ::2] += 80
    pixels[labels == 1, ::2] += 80
    return Images(pixels.astype(np.uint8), labels.astype(np.int64))


IMAGES = stripes()
INPUTS = NORMALISATION(IMAGES).contiguous()


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    network = initialised(ResNet(blocks=1, widths=(4, 8), in_channels=1, classes=3), 0)
    return train(network, INPUTS, torch.from_numpy(IMAGES.labels), epochs=30, seed=0)


def student() -> nn.Module:
    return initialised(ResNet(blocks=1, widths=(4, 4), in_channels=1, classes=3), 1).eval()


def divergence(network: nn.Module, teacher: nn.Module) -> float:
    with torch.inference_mode():
        ours, theirs = (F.log_softmax(one(INPUTS), dim=1) for one in (network, teacher))
    return float(F.kl_div(ours, theirs, reduction="batchmean", log_target=True))


def states(teacher: nn.Module, recipe: Recipe = RECIPE, **options) -> list[tuple[Snapshot, float]]:
    """What training tells after each epoch, copied."""
    told = []

    def keep(snapshot: Snapshot, loss: float) -> None:
        copies = [
            {n: t.clone() for n, t in s.items()} for s in (snapshot.weights, snapshot.momentum)
        ]
        told.append((Snapshot(snapshot.epoch, *copies), loss))

    finetune(student(), teacher, IMAGES, NORMALISATION, recipe, after_epoch=keep, **options)
    return told


def test_a_taught_student_answers_like_its_teacher(teacher):
    before = divergence(student(), teacher)
    recipe = replace(RECIPE, epochs=10)
    taught = finetune(student(), teacher, IMAGES, NORMALISATION, recipe)
    assert divergence(taught, teacher) < before / 4
    assert not taught.training


def test_labels_alone_teach_too(teacher):
    recipe = replace(RECIPE, epochs=10, distillation=0.0)
    taught = finetune(student(), teacher, IMAGES, NORMALISATION, recipe)
    with torch.inference_mode():
        right = taught(INPUTS).argmax(dim=1).numpy() == IMAGES.labels
    assert right.mean() > 0.8


def test_the_loss_falls_and_epochs_are_told_in_order(teacher):
    told = states(teacher, replace(RECIPE, epochs=5))
    assert [snapshot.epoch for snapshot, _ in told] == [1, 2, 3, 4, 5]
    assert told[-1][1] < 0.75 * told[0][1]


def test_training_goes_on_from_a_snapshot_as_if_it_had_never_stopped(teacher, tmp_path):
    (first, _), (second, _) = states(teacher)
    first.save(tmp_path)
    ((again, _),) = states(teacher, snapshot=Snapshot.load(tmp_path))
    assert again.epoch == second.epoch == 2
    for one, other in ((again.weights, second.weights), (again.momentum, second.momentum)):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.momentum


def test_the_teacher_stays_as_it_is(teacher):
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    states(teacher)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def batches(workers: int, recipe: Recipe = RECIPE) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
    parts = range(workers)
    return [list(_batches(IMAGES, NORMALISATION, recipe, 0, rank, workers)) for rank in parts]


def test_workers_share_each_batch_of_one_worker():
    (whole,), (even, odd) = batches(1), batches(2)
    assert len(whole) == len(even) == len(odd) == 6
    for (inputs, labels), first, second in zip(whole, even, odd, strict=True):
        for index, (part, part_labels) in enumerate((first, second)):
            torch.testing.assert_close(inputs[index::2], part, rtol=0, atol=0)
            assert torch.equal(labels[index::2], part_labels)


def test_every_epoch_has_another_order_and_shows_every_image_once():
    first, second = (
        torch.cat([labels for _, labels in _batches(IMAGES, NORMALISATION, RECIPE, epoch, 0, 1)])
        for epoch in (0, 1)
    )
    assert torch.equal(first.sort().values, second.sort().values)
    assert not torch.equal(first, second)


def test_images_are_shifted_by_up_to_an_eighth_and_keep_their_edge():
    pixels = np.arange(16 * 16, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=0)
    moved = _shifted(pixels, np.array([[0.0, 0.0], [0.5, 0.5], [0.999, 0.999]]))
    np.testing.assert_array_equal(moved[1], pixels[1])
    np.testing.assert_array_equal(moved[0, 2:, 2:], pixels[0, :-2, :-2])
    np.testing.assert_array_equal(moved[0, 0, 2:], pixels[0, 0, :-2])
    np.testing.assert_array_equal(moved[2, :-2, :-2], pixels[2, 2:, 2:])


def test_mirroring_flips_about_half_of_the_images():
    (plain,), (mirrored,) = batches(1), batches(1, replace(RECIPE, mirror=True))
    pairs = [
        (a, b)
        for one, other in zip(plain, mirrored, strict=True)
        for a, b in zip(one[0], other[0], strict=True)
    ]
    flipped = [not torch.equal(a, b) for a, b in pairs]
    assert all(
        torch.equal(a.flip(2), b) for (a, b), turned in zip(pairs, flipped, strict=True) if turned
    )
    assert 40 <= sum(flipped) <= 80


def test_a_loss_that_is_not_finite_names_the_learning_rate(teacher):
    with pytest.raises(FloatingPointError, match=r"smaller finetune\.learning_rate than 1e\+30"):
        states(teacher, replace(RECIPE, learning_rate=1e30))


@pytest.mark.parametrize(("batch", "workers"), [(121, 1), (2, 3)])
def test_a_batch_that_does_not_suit_the_images_or_the_workers_is_refused(teacher, batch, workers):
    with pytest.raises(ValueError, match=r"choose another finetune\.batch"):
        states(teacher, replace(RECIPE, batch=batch), workers=workers)
