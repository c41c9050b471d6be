"""Judging: what a graph network answers on the parts of a task, and how good that is."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..tensors.batch_norm import batch_norms, estimated_anew
from .graphs import Batch
from .masker import Masker
from .task import Part, Split, Task

EVALUATED = 512
"""Graphs in a batch where nothing is learned."""


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


def answers(network: nn.Module, batch: Batch, masker: Masker | None = None) -> Tensor:
    """Return the network's logits, edges weighed by the masker if there is one."""
    weights = None if masker is None else masker(batch.features, batch.edges)
    logits: Tensor = network(batch.features, batch.edges, edge_weight=weights, batch=batch.graph)
    return logits


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of the class, or of each of several labels."""
    if labels.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, labels.float())
    return F.cross_entropy(logits, labels)


def score_of(logits: Tensor, labels: Tensor) -> float:
    """Return the accuracy, or the micro-averaged F1 where there are several labels."""
    if labels.ndim == 1:
        return float((logits.argmax(dim=1) == labels).double().mean())
    told, true = logits > 0, labels > 0.5
    return 2 * int((told & true).sum()) / max(1, int(told.sum()) + int(true.sum()))


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
        return [(float(loss_of(*one)), score_of(*one)) for one in told]


def _told(
    network: nn.Module, batches: Sequence[Batch], masker: Masker | None
) -> tuple[Tensor, Tensor]:
    """The logits and the labels of all graphs, or nodes, of batches."""
    logits = torch.cat([answers(network, batch, masker) for batch in batches])
    return logits, torch.cat([batch.labels for batch in batches])
