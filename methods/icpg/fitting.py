"""Fitting: a graph network trained, alone or with a masker, and what was best of it."""

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from .judging import Parts, answers, judge, loss_of, recalibrate
from .masker import Masker
from .task import Split, Task
from .weights import Masks, apply


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
                logits, labels = answers(network, batch, masker), batch.labels
                if rows is not None:
                    logits, labels = logits[rows], labels[rows]
                loss = loss_of(logits, labels)
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
