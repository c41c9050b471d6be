"""Cut: a network pruned without a search, or only looked at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...methods.data.datasets import Dataset, load_dataset
from ...methods.data.photographs import photographs
from ...methods.models.accuracy import recalibrate
from ...methods.models.exported import save
from ...methods.models.named import Model
from ...methods.pruning.certificate import verify_graph, verify_plan
from ...methods.pruning.cost_model import CostModel
from ...methods.pruning.counts import Counts
from ...methods.pruning.criteria import rankings
from ...methods.pruning.onnx_graph import OnnxTemplate, export
from ...methods.pruning.plan import Plan, Scope, trace
from ...methods.pruning.surgery import Pruner
from ...methods.pruning.taylor import Calibration
from .handing_out import certified_graph, identity

RECALIBRATION_IMAGES, CERTIFIED_IMAGES = 1000, 16


@dataclass(frozen=True, slots=True)
class GroupRow:
    """What a user is told of a group: MACs are those that its layers' inputs and outputs cost."""

    name: str
    width: int
    unit: int
    macs_share: float
    layers: tuple[str, ...]


def inspect(model: Model, *, scope: Scope) -> tuple[list[GroupRow], Plan, int]:
    """Return a row for every group, the plan, and the dense network's MACs.

    A group's share is how much of the MACs goes when all of it but one channel goes.
    """
    plan = trace(model.network, photographs(model.shape, model.normalisation)[:1], scope=scope)
    widths = np.array(plan.widths)
    alone = np.tile(widths, (len(widths), 1))
    np.fill_diagonal(alone, 1)
    dense, *macs = Counts(plan, model.network).macs(np.vstack([widths, alone]))
    rows = []
    for group, left in zip(plan.groups, macs, strict=True):
        share = float(1 - left / dense) * (group.width / max(1, group.width - 1))
        rows.append(GroupRow(group.name, group.width, group.unit, share, group.layers))
    return rows, plan, int(dense)


def cut(
    model: Model,
    directory: Path,
    *,
    keep: float | None,
    widths: Sequence[int] | None,
    criterion: str,
    scope: Scope,
    recalibration: str | None,
    root: Path | None,
) -> dict[str, Any]:
    """Cut a network to given widths, or to the same share everywhere, and export it.

    Returns the card of the exported network, with its certificate and costs.
    """
    dataset = load_dataset(recalibration, root) if recalibration else None
    inputs = _images(model, root, dataset if recalibration == model.data else None)
    plan = trace(model.network, inputs[:1], scope=scope)
    chosen = _widths(plan, keep, widths)
    calibration = _calibration(model, dataset) if dataset else None
    if criterion == "taylor" and not calibration:
        raise ValueError("--criterion taylor needs labelled images: name data by --recalibrate")
    pruner = Pruner(model.network, plan, rankings(model.network, plan, [criterion], calibration))
    verify_plan(pruner, inputs[:2])
    template = OnnxTemplate(export(model.network, inputs[:1]))
    verify_graph(pruner, template, inputs[:2])
    network = pruner.cut(chosen)
    if calibration:
        network = recalibrate(network, calibration.inputs)
    onnx, certificate = certified_graph(model.name, pruner, chosen, network, template, inputs)
    cost = CostModel.of(pruner, template, shape=model.shape, batch=1)
    card = {
        "model": model.name,
        "criterion": criterion,
        "scope": scope,
        "widths": list(chosen),
        **asdict(cost(chosen)),
        "dense": asdict(cost(plan.widths)),
        "data": model.data,
        **identity(model, plan, certificate),
    }
    save(directory, network, onnx, card)
    return card


def _calibration(model: Model, dataset: Dataset) -> Calibration:
    if dataset.shape != model.shape:
        raise ValueError(
            f"--recalibrate {dataset.name} has images of shape {dataset.shape}, {model.name} takes "
            f"{model.shape}: name data like those it was trained on"
        )
    images = dataset.train[:RECALIBRATION_IMAGES]
    return Calibration(model.normalisation(images), torch.from_numpy(images.labels))


def _images(model: Model, root: Path | None, dataset: Dataset | None) -> torch.Tensor:
    """Real images: those of the network's own data where there is a root, else photographs."""
    if model.data and root:
        own = dataset or load_dataset(model.data, root)
        return model.normalisation(own.search[:CERTIFIED_IMAGES])
    return photographs(model.shape, model.normalisation)


def _widths(plan: Plan, keep: float | None, widths: Sequence[int] | None) -> tuple[int, ...]:
    if (keep is None) == (widths is None):
        raise ValueError("say how much to keep, by either --keep or --widths")
    if keep is not None:
        if not 0 < keep <= 1:
            raise ValueError(f"--keep must lie above 0 and be at most 1, got {keep!r}")
        return tuple(max(1, round(keep * width)) for width in plan.widths)
    assert widths is not None
    if len(widths) != len(plan.groups):
        raise ValueError(
            f"--widths must hold {len(plan.groups)} widths, one a group, got {len(widths)}: "
            "secateur inspect lists the groups"
        )
    for group, width in zip(plan.groups, widths, strict=True):
        if not 1 <= width <= group.width:
            raise ValueError(
                f"--widths: group {group.name} can keep 1 to {group.width} channels, got {width}"
            )
    return tuple(widths)
