"""Learning: criterion learners and weights trained together, until the gates have decided.

Loss: cross entropy + attention transfer + polarisation + (MACs - target)^2, each with its weight;
target and polarisation come by and by. Gates act as 0 and 1 with the soft gates' gradient, or soft
and colder and colder, sigmoid(score / temperature) from 1 to 0.1. The terms are those that the
paper names; weights and schedule are our reconstruction.

Soft gates can cheat where BatchNorm follows what reads them: it undoes whatever all gates of a
group have in common, so that a group looks nearly closed, costs nearly nothing and works as before.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..data.batches import Batches
from ..pruning.counts import Counts
from ..pruning.plan import Plan
from ..tensors.snapshot import Snapshot
from ..training.attention import AttentionTransfer
from ..training.epochs import ALONE, AfterEpoch, Exercise, Place, Terms, sgd, train_epochs
from ..training.precision import Precision, answers
from .gated import Acting, GatedNetwork
from .learner import Sight
from .losses import Macs, polarisation

Decision = Literal["straight-through", "anneal", "none"]
"""How gates become 0 or 1: at once, colder and colder, or by polarisation alone."""

COLDEST = 0.1
PRESSED = 0.5
"""The share of all steps after which target and polarisation hold in full; they come by and by.

A target that is far away from the first step on has a steeper slope than everything that the images
tell, and decides gates by what they cost alone.
"""

UNDECIDED = 0.1
"""Gates between this and one less this are undecided."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """How criteria are learned.

    `target` is the share of the dense network's multiply-adds that is to be left, `least` the share
    of its channels that each group keeps at least. `attention`,
    `polarisation` and `macs` are the weights of the terms. `through` lets the filters have a
    gradient from their own scores.
    """

    epochs: int
    target: float
    least: float
    learning_rate: float
    learner_rate: float
    learner: Sight
    hidden: int
    through: bool
    decision: Decision
    attention: float
    polarisation: float
    macs: float
    seed: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class Standing:
    """What gates amount to: errors with soft and with hard gates, costs, and who is undecided.

    Hard gates are 0 or 1. Costs are multiply-adds relative to the dense network's.
    """

    soft_error: float
    hard_error: float
    soft_macs: float
    hard_macs: float
    undecided: int


class Learning:
    """The gated network, what teaches it, and how they stand."""

    def __init__(
        self, network: nn.Module, plan: Plan, teacher: nn.Module, batches: Batches, lesson: Lesson
    ) -> None:
        self.gated = GatedNetwork(
            network,
            plan,
            sight=lesson.learner,
            hidden=lesson.hidden,
            through=lesson.through,
            least=lesson.least,
            seed=lesson.seed,
        )
        self.macs = Macs(Counts(plan, network).layers, plan.widths)
        self._share = self.macs.share_kept(lesson.target)
        self._pressure = 0.0
        self._batches, self._lesson = batches, lesson
        self._teacher = teacher.eval().requires_grad_(False)
        self._transfer: AttentionTransfer | None = None
        if lesson.attention:
            example = batches.normalisation(batches.images[:1])
            self._transfer = AttentionTransfer(network, teacher, example)
        if lesson.decision == "straight-through":
            self.gated.acting = "straight-through"

    def train(
        self,
        *,
        place: Place = ALONE,
        snapshot: Snapshot | None = None,
        after_epoch: AfterEpoch = lambda _snapshot, _terms: None,
    ) -> GatedNetwork:
        """Train in place and return the gated network; see `train_epochs` for the rest."""
        lesson, gated = self._lesson, self.gated
        self._teacher.to(place.device)
        optimisers = [sgd(list(gated.network.parameters()), lesson.learning_rate)]
        optimisers.append(torch.optim.Adam(gated.learners.parameters(), lr=lesson.learner_rate))
        train_epochs(
            Exercise(gated, optimisers, self._terms, self.advance),
            self._batches,
            lesson.epochs,
            place=place,
            snapshot=snapshot,
            after_epoch=after_epoch,
        )
        self.advance(1.0)
        return gated

    def standing(self, inputs: Tensor, labels: Tensor) -> Standing:
        """Tell how the gates stand by now, on inputs of shape (images, channels, h, w)."""
        gated, acting = self.gated.eval(), self.gated.acting

        def judged(as_if: Acting) -> tuple[float, float]:
            gated.acting = as_if
            found = torch.cat([gated(part).argmax(dim=1) for part in torch.split(inputs, 250)])
            return float((found != labels).float().mean()), float(self.macs(gated.gates))

        with torch.no_grad():
            (soft_error, soft_macs), (hard_error, hard_macs) = judged("soft"), judged("hard")
        undecided = int(((gated.soft > UNDECIDED) & (gated.soft < 1 - UNDECIDED)).sum())
        gated.acting = acting
        return Standing(soft_error, hard_error, soft_macs, hard_macs, undecided)

    def advance(self, progress: float) -> None:
        """Let gates be as cold, and the pressure as high, as after this share of all steps."""
        self._pressure = min(1.0, progress / PRESSED)
        if self._lesson.decision == "anneal":
            self.gated.temperature = COLDEST**progress

    def _terms(self, trained: nn.Module, inputs: Tensor, labels: Tensor) -> Terms:
        """Return the weighted terms of the loss of one batch."""
        lesson, gated = self._lesson, self.gated
        logits = answers(trained, inputs, lesson.precision)
        terms = {"cross_entropy": F.cross_entropy(logits, labels)}
        if self._transfer:
            with torch.no_grad():
                answers(self._teacher, inputs, lesson.precision)
            gates = gated.acted_on(self._transfer.ends)
            terms["attention"] = lesson.attention * self._transfer.loss(gates)
        if lesson.polarisation:
            apart = polarisation(gated.soft, self._share)
            terms["polarisation"] = self._pressure * lesson.polarisation * apart
        target = 1 + self._pressure * (lesson.target - 1)
        excess = self.macs(gated.gates) - target
        terms["macs"] = (lesson.macs * excess.square()).to(terms["cross_entropy"].dtype)
        return terms
