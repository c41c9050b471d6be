"""Trained: the network that a training has made - handed out, and put beside those of a search."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...actors.job import DEVICE, LATENCY
from ...methods.measuring.fingerprint import described
from ...methods.models.accuracy import AccuracyMeter
from ...methods.models.exported import save
from ...methods.pruning.surgery import Pruner
from ...search.candidate import Estimate
from ..profiling.targets import same_device, timed
from ..runs.record import METHOD, Record
from ..runs.results import Member, Trained
from ..runs.workpiece import DENSE_WEIGHTS, Workpiece
from .handing_out import CERTIFIED_IMAGES, certified_graph, identity, in_int8

PRUNED = "pruned"
"""In a training's folder: the network that came of it."""

RESULT = "result"
"""The fact that holds what was measured of the network that a training has made."""


def hand_out(
    folder: Path,
    method: str,
    workpiece: Workpiece,
    pruner: Pruner,
    genome: tuple[int, ...],
    network: nn.Module,
) -> dict[str, Any]:
    """Measure a trained network on both splits and in ONNX Runtime, certify it, and write it.

    The `pruner` tells which channels the genome keeps, and of which tensors. Returns what was
    measured.
    """
    config, dataset, prunable = workpiece.config, workpiece.dataset, workpiece.prunable
    meter = AccuracyMeter(
        pruner,
        prunable.normalisation,
        recalibration=dataset.train[:1],
        splits={"search": dataset.search, "final": dataset.final},
    )
    network = network.to(memory_format=torch.channels_last)
    errors = {split: meter.error(network, split) for split in ("search", "final")}
    inputs = prunable.normalisation(dataset.search[:CERTIFIED_IMAGES])
    model, certificate = certified_graph(
        "the pruned network", pruner, genome, network, workpiece.template, inputs
    )
    dense_error = meter.error(workpiece.pruner.network, "final")
    latency, dense_ms, device = timed(workpiece, model)
    cost, dense = workpiece.cost(genome), workpiece.cost(prunable.plan.widths)
    found = {
        "error": asdict(errors["search"]),
        "final_error": asdict(errors["final"]),
        "dense_final_error": asdict(dense_error),
        LATENCY: asdict(latency.estimate),
        "dense_latency_ms": asdict(dense_ms),
        **asdict(cost),
        **{f"dense_{name}": value for name, value in asdict(dense).items()},
        "widths": list(genome),
        DEVICE: device,
    }
    int8, told = in_int8(workpiece, model)
    card = {
        "run": config.name,
        METHOD: method,
        **found,
        **told,
        "data": dataset.name,
        "settings": config.clad.model_dump(mode="json"),
        "finetune": config.finetune.model_dump(mode="json"),
        **identity(prunable, prunable.plan, certificate),
    }
    save(folder, network, model, card, int8=int8)
    return found


def trained(path: Path, search: Record, dense: Member, number: int) -> Trained:
    """Return what a training in a folder has made, as a network of a search that began alike.

    Latencies were timed beside the same dense network, and count as multiples of the latency that
    the search knows of it.

    Raises:
        ValueError: the folder holds no complete training of the same dense network.
    """
    training = Record(path)
    found: Mapping[str, Any] | None = training.journal.fact(RESULT)
    if training.journal.fact(METHOD) is None or found is None:
        raise ValueError(f"--with must name a complete `secateur train clad`, {path} is none")
    mine, theirs = (one.path / DENSE_WEIGHTS for one in (search, training))
    if mine.read_bytes() != theirs.read_bytes():
        raise ValueError(f"{path} began with another dense network than {search.path}")
    if untimed := [name for name in search.config.quantities if name not in found]:
        raise ValueError(
            f"{path} was timed as its own `latency` says, not on the target of {untimed[0]}: it "
            "cannot be put beside the networks of this search"
        )
    measured = {name: _estimate(found[name]) for name in search.config.quantities}
    if LATENCY in measured:
        _require_same_device(training, search)
        unit = dense.objectives[LATENCY].value / found["dense_latency_ms"]["value"]
        measured[LATENCY] = measured[LATENCY].times(unit)
    member = Member(
        id=number,
        objectives={str(name): measured[name] for name in search.config.objectives},
        macs=found["macs"],
        params=found["params"],
        genome=tuple(found["widths"]),
        origin="clad",
        final_error=_estimate(found["final_error"]),
    )
    return Trained(member, tuple(measured.values()))


def _estimate(value: Any) -> Estimate:
    return Estimate(**value) if isinstance(value, Mapping) else Estimate.exact(value)


def _require_same_device(training: Record, search: Record) -> None:
    here, there = search.device(LATENCY), training.journal.fact(RESULT)[DEVICE]
    if not same_device(here, there):
        known = "an unknown device" if here is None else described(here)
        raise ValueError(
            f"latencies of {search.path} were measured on {known}, those of {training.path} on "
            f"{described(there)}: they cannot be compared"
        )
