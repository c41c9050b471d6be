from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from secateur.methods.tensors.snapshot import Snapshot
from secateur.methods.training.finetune import Recipe, cross_entropy, distillation_loss, finetune
from striped import IMAGES, INPUTS, batches, network, trained

RECIPE = Recipe(
    epochs=2,
    learning_rate=0.05,
    batch=20,
    distillation=0.9,
    temperature=4.0,
    attention=0.0,
    mirror=False,
    seed=0,
)


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    return trained()


def student() -> nn.Module:
    return network(1, (4, 4))


def divergence(student: nn.Module, teacher: nn.Module) -> float:
    with torch.inference_mode():
        ours, theirs = (F.log_softmax(one(INPUTS), dim=1) for one in (student, teacher))
    return float(F.kl_div(ours, theirs, reduction="batchmean", log_target=True))


Told = list[tuple[Snapshot, dict[str, float]]]


def states(teacher: nn.Module, recipe: Recipe = RECIPE, **options) -> Told:
    """What training tells after each epoch, copied."""
    told: Told = []

    def keep(snapshot: Snapshot, terms: dict[str, float]) -> None:
        copies = [
            {n: t.clone() for n, t in s.items()} for s in (snapshot.weights, snapshot.moments)
        ]
        told.append((Snapshot(snapshot.epoch, *copies), terms))

    finetune(student(), teacher, batches(), recipe, after_epoch=keep, **options)
    return told


def test_a_taught_student_answers_like_its_teacher(teacher):
    before = divergence(student(), teacher)
    taught = finetune(student(), teacher, batches(), replace(RECIPE, epochs=10))
    assert divergence(taught, teacher) < before / 4
    assert not taught.training


def test_labels_alone_teach_too(teacher):
    recipe = replace(RECIPE, epochs=10, distillation=0.0)
    taught = finetune(student(), teacher, batches(), recipe)
    with torch.inference_mode():
        right = taught(INPUTS).argmax(dim=1).numpy() == IMAGES.labels
    assert right.mean() > 0.8


@pytest.mark.parametrize("distillation", [0.0, 0.9])
def test_mixed_images_teach_too(teacher, distillation):
    recipe = replace(RECIPE, epochs=20, distillation=distillation, mixup=0.5)
    taught = finetune(student(), teacher, batches(mixup=0.5), recipe)
    with torch.inference_mode():
        right = taught(INPUTS).argmax(dim=1).numpy() == IMAGES.labels
    assert right.mean() > 0.8


def test_classes_that_never_occur_have_no_share():
    logits, shares = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.eye(4, 3)
    whole = F.cross_entropy(logits, torch.eye(4, 5))
    assert cross_entropy(logits, torch.eye(4, 4)) == whole
    assert cross_entropy(logits[:3], shares[:3]) == F.cross_entropy(logits[:3], torch.arange(3))


def test_weights_trained_in_bf16_stay_in_fp32_and_learn_the_same(teacher):
    before = divergence(student(), teacher)
    recipe = replace(RECIPE, epochs=10, attention=100.0, precision="bf16")
    taught = finetune(student(), teacher, batches(), recipe)
    assert all(tensor.dtype != torch.bfloat16 for tensor in taught.state_dict().values())
    assert divergence(taught, teacher) < before / 4


def test_each_term_falls_and_epochs_are_told_in_order(teacher):
    told = states(teacher, replace(RECIPE, epochs=5, attention=500.0))
    assert [snapshot.epoch for snapshot, _ in told] == [1, 2, 3, 4, 5]
    first, last = told[0][1], told[-1][1]
    assert first.keys() == {"cross_entropy", "distillation", "attention"}
    assert all(last[name] < first[name] for name in first)
    assert sum(last.values()) < 0.75 * sum(first.values())


def test_training_goes_on_from_a_snapshot_as_if_it_had_never_stopped(teacher, tmp_path):
    (first, _), (second, _) = states(teacher)
    first.save(tmp_path)
    ((again, _),) = states(teacher, snapshot=Snapshot.load(tmp_path))
    assert again.epoch == second.epoch == 2
    for one, other in ((again.weights, second.weights), (again.moments, second.moments)):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.moments


def test_the_teacher_stays_as_it_is(teacher):
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    teacher.zero_grad()
    states(teacher, replace(RECIPE, attention=10.0))
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_divergence_is_weighted_by_the_squared_temperature():
    logits = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    taught = torch.tensor([[2.0, -1.0, 0.0], [1.0, 1.0, 1.0]])
    ours, theirs = ((one / 4).softmax(dim=1) for one in (logits, taught))
    expected = 16 * (theirs * (theirs.log() - ours.log())).sum(dim=1).mean()
    torch.testing.assert_close(distillation_loss(logits, taught, 4.0), expected)
    assert float(distillation_loss(taught, taught, 4.0)) == pytest.approx(0, abs=1e-6)
