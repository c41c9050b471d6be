"""Fitting: a graph network trained, alone or with a masker, and what was best of it."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..tensors.batch_norm import batch_norms, estimated_anew
from .graphs import Batch
from .masker import Masker
from .task import Part, Split, Task
from .weights import Masks, apply

EVALUATED = 512
"""Graphs in a batch where nothing is learned."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How networks are trained, by Adam; a masker has a learning rate of its own."""

    epochs: int
    batch: int
    learning_rate: float
    masker_rate: float
    weight_decay: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """How well a network did after its best epoch, counted from 1.

    The best epoch has the best validation score, and among equal ones the least validation loss.
    Scores are accuracies; the micro-averaged F1 where there are several labels. `best_test` is the
    best test score of any epoch, which nobody may know.
    """

    epoch: int
    validation: float
    test: float
    best_test: float


class Parts:
    """The parts of a task in batches that are gathered once and looked at again and again."""

    def __init__(self, task: Task, split: Split) -> None:
        self.task, self.split = task, split
        self._gathered: dict[Part, list[Batch]] = {}

    def batches(self, part: Part) -> list[Batch]:
        """The graphs of a part, as few batches as may be; all of one graph, whatever the part."""
        if part not in self._gathered:
            found = self.task.batches(self.split, part, EVALUATED)
            self._gathered[part] = [batch for batch, _ in found]
        return self._gathered[part]


@dataclass(slots=True)
class _Best:
    key: tuple[float, float]
    fitted: Fitted
    states: list[dict[str, Any]]


def fit(
    network: nn.Module,
    task: Task,
    split: Split,
    recipe: Recipe,
    masks: Masks,
    *,
    seed: int,
    masker: Masker | None = None,
) -> Fitted:
    """Train in place and leave the best epoch's weights; with a masker its scores weigh edges.

    Weights outside the masks are 0 from first to last. Before an epoch is judged, the statistics of
    every BatchNorm are estimated anew on the training part (ours).

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    apply(masks, network)
    modules = [network] if masker is None else [network, masker]
    groups: list[dict[str, Any]] = [{"params": list(network.parameters())}]
    if masker is not None:
        groups.append({"params": list(masker.parameters()), "lr": recipe.masker_rate})
    adam = torch.optim.Adam(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    order = torch.Generator().manual_seed(seed)
    best: _Best | None = None
    best_test = 0.0
    parts = Parts(task, split)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        for epoch in range(1, recipe.epochs + 1):
            for one in modules:
                one.train()
            for batch, rows in task.batches(split, "train", recipe.batch, order):
                adam.zero_grad()
                logits = answers(network, batch, masker)
                labels = batch.labels
                loss = _loss(logits, labels) if rows is None else _loss(logits[rows], labels[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                adam.step()
                apply(masks, network)
            recalibrate(network, parts, masker)
            (loss_now, validation), (_, test) = judge(
                network, parts, ("validation", "test"), masker
            )
            require_finite(loss_now, epoch)
            best_test = max(best_test, test)
            if best is None or (validation, -loss_now) > best.key:
                fitted = Fitted(epoch, validation, test, best_test)
                states = [copy.deepcopy(one.state_dict()) for one in modules]
                best = _Best((validation, -loss_now), fitted, states)
    assert best is not None
    for one, state in zip(modules, best.states, strict=True):
        one.load_state_dict(state)
        one.eval()
    return replace(best.fitted, best_test=best_test)


def require_finite(loss: float, epoch: int) -> None:
    """Refuse to train on where nothing more can come of it: FloatingPointError."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"in epoch {epoch} the loss is not finite: choose a smaller learning rate"
        )


def answers(network: nn.Module, batch: Batch, masker: Masker | None = None) -> Tensor:
    """Return the network's logits, edges weighed by the masker if there is one."""
    weights = None if masker is None else masker(batch.features, batch.edges)
    logits: Tensor = network(batch.features, batch.edges, edge_weight=weights, batch=batch.graph)
    return logits


def recalibrate(network: nn.Module, parts: Parts, masker: Masker | None = None) -> None:
    """Estimate the statistics of every BatchNorm on the training part, and go into evaluation.

    With few weights left, those of an epoch's batches do not fit the weights at its end.
    """
    modules = [network] if masker is None else [network, masker]
    for one in modules:
        one.eval()
    if norms := batch_norms(*modules):
        with torch.no_grad(), estimated_anew(norms):
            for batch in parts.batches("train"):
                answers(network, batch, masker)


def judge(
    network: nn.Module, parts: Parts, which: Sequence[Part], masker: Masker | None = None
) -> list[tuple[float, float]]:
    """Return the mean loss and the score on each part, of what is in evaluation mode."""
    task, split = parts.task, parts.split
    with torch.no_grad():
        if task.one_graph:  # all its nodes are told at once
            logits, labels = _told(network, parts.batches(which[0]), masker)
            told = [(logits[split.of(part)], labels[split.of(part)]) for part in which]
        else:
            told = [_told(network, parts.batches(part), masker) for part in which]
        return [(float(_loss(*one)), _score(*one)) for one in told]


def _told(
    network: nn.Module, batches: Sequence[Batch], masker: Masker | None
) -> tuple[Tensor, Tensor]:
    """The logits and the labels of all graphs, or nodes, of batches."""
    logits = torch.cat([answers(network, batch, masker) for batch in batches])
    return logits, torch.cat([batch.labels for batch in batches])


def _score(logits: Tensor, labels: Tensor) -> float:
    if labels.ndim == 1:
        return float((logits.argmax(dim=1) == labels).double().mean())
    told, true = logits > 0, labels > 0.5
    return 2 * int((told & true).sum()) / max(1, int(told.sum()) + int(true.sum()))


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    if labels.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, labels.float())
    return F.cross_entropy(logits, labels)
