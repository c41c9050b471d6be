"""Fine-tuning: a cut network trained further, taught by the dense one.

Distillation after Hinton, Vinyals and Dean 2015 (arXiv:1503.02531): the student learns the
teacher's softened answers beside the labels; attention transfer besides, where it is asked for.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..data.batches import Batches
from ..tensors.snapshot import Snapshot
from .attention import AttentionTransfer
from .epochs import ALONE, AfterEpoch, Exercise, Place, Terms, sgd, train_epochs
from .precision import Precision, answers


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained further.

    `distillation` is the teacher's share of the loss (0: labels alone), `temperature` what its
    logits are divided by, `attention` the weight of attention transfer. The learning rate falls to
    0 along a half cosine. Images are shifted by up to an eighth of their size, and with `mirror`
    flipped half of the time. `mixup` mixes them, of which the teacher says more than labels do
    (Beyer et al., CVPR 2022): see `Batches`.
    """

    epochs: int
    learning_rate: float
    batch: int
    distillation: float
    temperature: float
    attention: float
    mirror: bool
    seed: int
    precision: Precision = "fp32"
    mixup: float = 0.0


def finetune(
    student: nn.Module,
    teacher: nn.Module,
    batches: Batches,
    recipe: Recipe,
    *,
    place: Place = ALONE,
    snapshot: Snapshot | None = None,
    after_epoch: AfterEpoch = lambda _snapshot, _terms: None,
) -> nn.Module:
    """Train the student in place; see `train_epochs` for the rest and for what is raised."""
    teaching = Teaching(student, teacher, batches, recipe)
    teacher.to(place.device)
    exercise = Exercise(
        student, [sgd(list(student.parameters()), recipe.learning_rate)], teaching.terms
    )
    train_epochs(
        exercise,
        batches,
        recipe.epochs,
        place=place,
        snapshot=snapshot,
        after_epoch=after_epoch,
    )
    return student


class Teaching:
    """What a student is told of its answers and of where it looks, term by term."""

    def __init__(
        self, student: nn.Module, teacher: nn.Module, batches: Batches, recipe: Recipe
    ) -> None:
        self._teacher = teacher.eval()
        self._recipe = recipe
        self._transfer: AttentionTransfer | None = None
        if recipe.attention:
            example = batches.normalisation(batches.images[:1])
            self._transfer = AttentionTransfer(student, teacher, example)

    def terms(self, student: nn.Module, inputs: Tensor, labels: Tensor) -> Terms:
        """Return the weighted terms of the loss of one batch."""
        recipe = self._recipe
        logits = answers(student, inputs, recipe.precision)
        terms = {"cross_entropy": (1 - recipe.distillation) * cross_entropy(logits, labels)}
        if not (recipe.distillation or self._transfer):
            return terms
        with torch.no_grad():
            taught = answers(self._teacher, inputs, recipe.precision)
        if recipe.distillation:
            terms["distillation"] = recipe.distillation * distillation_loss(
                logits, taught, recipe.temperature
            )
        if self._transfer:
            terms["attention"] = recipe.attention * self._transfer.loss()
        return terms


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return that of logits (images, classes), with labels or shares as `Batches` has them."""
    if labels.is_floating_point():  # of classes that never occur there is no share
        labels = F.pad(labels, (0, logits.shape[1] - labels.shape[1]))
    return F.cross_entropy(logits, labels)


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return the divergence from softened answers of shape (images, classes), times T squared."""
    divergence = F.kl_div(
        F.log_softmax(logits / temperature, dim=1),
        F.log_softmax(taught / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return temperature**2 * divergence
