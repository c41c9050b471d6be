"""Export: a chosen network of a run as ONNX, safetensors and JSON, with its certificate."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...methods.accuracy import AccuracyMeter
from ...methods.certificate import Certificate, certify
from ...methods.evaluation import graph_error
from ...methods.exported import read_card, save
from ...methods.onnx_graph import INPUT, OnnxTemplate
from ...methods.quantised import quantised
from ...methods.surgery import Pruner
from ...methods.weights import state_of
from ..profiling.targets import calibration
from ..runs.coordinator import RunFailed
from ..runs.record import FINETUNED
from ..runs.results import Member, Results
from ..runs.workpiece import Workpiece

CERTIFIED_IMAGES = 64


def pick(results: Results, name: str) -> Member:
    """Find a member by id, or by one of the names fastest, knee, most-accurate."""
    by_id = {member.id: member for member in results.members}
    if name in results.picks:
        return by_id[results.picks[name]]
    if name.isdecimal() and int(name) in by_id:
        return by_id[int(name)]
    raise ValueError(
        f"--pick must be {', '.join(results.picks)} or the id of an evaluated network "
        f"(0 to {results.members[-1].id}), got {name!r}"
    )


def certified_graph(
    name: str,
    pruner: Pruner,
    genome: tuple[int, ...],
    network: nn.Module,
    template: OnnxTemplate,
    inputs: Tensor,
) -> tuple[bytes, Certificate]:
    """Return the ONNX graph of a cut network with its certificate, or refuse to hand it out."""
    model = template.fill(state_of(network))
    certificate = certify(pruner, genome, network, model, inputs)
    if not certificate.holds:
        raise RunFailed(f"{name} is not exported: {certificate}")
    return model, certificate


def in_int8(workpiece: Workpiece, model: bytes) -> tuple[bytes | None, dict[str, Any]]:
    """Return a graph in int8 and what a card tells of it, where a target runs it so; else nothing.

    How wrong it is, on the final split, may be more than in fp32: that is what searches minimise.
    """
    latencies = workpiece.config.latencies.values()
    if all(settings.precision != "int8" for settings in latencies):
        return None, {}
    graph = quantised(model, INPUT, calibration(workpiece))
    error = graph_error(graph, workpiece.prunable.normalisation, workpiece.dataset.final)
    return graph, {"int8": {"final_error": asdict(error)}}


def export_member(workpiece: Workpiece, member: Member, directory: Path) -> dict[str, Any]:
    """Cut and recalibrate the network anew, certify it, and write it; return its card.

    A fine-tuned one has its files and its certificate already.
    """
    if member.origin == "fine-tuned":
        source = workpiece.directory / FINETUNED / str(member.id)
        shutil.copytree(source, directory, dirs_exist_ok=True)
        return read_card(directory)
    config, dataset = workpiece.config, workpiece.dataset
    meter = AccuracyMeter(
        workpiece.pruner,
        workpiece.prunable.normalisation,
        recalibration=dataset.train[: config.data.recalibration_images],
        splits={},
    )
    return export_network(workpiece, member, meter.network(member.genome), directory)


def export_network(
    workpiece: Workpiece,
    member: Member,
    network: nn.Module,
    directory: Path,
    **facts: Any,
) -> dict[str, Any]:
    """Certify a cut network, whatever its weights, and write it; return its card with `facts`."""
    config, prunable, dataset = workpiece.config, workpiece.prunable, workpiece.dataset
    inputs = prunable.normalisation(dataset.search[:CERTIFIED_IMAGES])
    model, certificate = certified_graph(
        f"network {member.id}", workpiece.pruner, member.genome, network, workpiece.template, inputs
    )
    int8, told = in_int8(workpiece, model)
    card = {
        "run": config.name,
        **member.as_json(),
        **facts,
        **told,
        "groups": [group.name for group in prunable.plan.groups],
        "factory": prunable.factory,
        "arguments": prunable.arguments,
        "normalisation": asdict(prunable.normalisation),
        "input": list(prunable.shape),
        "certificate": certificate.as_json(),
    }
    save(directory, network, model, card, int8=int8)
    return card
