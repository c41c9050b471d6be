"""Export: a chosen network of a run as ONNX, safetensors and JSON, with its certificate."""

import shutil
from pathlib import Path
from typing import Any

from torch import nn

from ...methods.models.accuracy import AccuracyMeter
from ...methods.models.exported import read_card, save
from ..runs.record import FINETUNED
from ..runs.results import Member, Results
from ..runs.workpiece import Workpiece
from .handing_out import CERTIFIED_IMAGES, certified_graph, identity, in_int8


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
        **identity(prunable, prunable.plan, certificate),
    }
    save(directory, network, model, card, int8=int8)
    return card
