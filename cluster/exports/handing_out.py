"""Handing out: what every network takes along - a certified graph, one in int8, who it is."""

from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from ...methods.measuring.quantised import quantised
from ...methods.models.evaluation import graph_error
from ...methods.models.named import Model
from ...methods.models.prunable import Prunable
from ...methods.pruning.certificate import Certificate, certify
from ...methods.pruning.onnx_graph import INPUT, OnnxTemplate
from ...methods.pruning.plan import Plan
from ...methods.pruning.surgery import Pruner
from ...methods.tensors.weights import state_of
from ..profiling.targets import calibration
from ..runs.coordinator import RunFailed
from ..runs.workpiece import Workpiece

CERTIFIED_IMAGES = 64


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


def identity(network: Prunable | Model, plan: Plan, certificate: Certificate) -> dict[str, Any]:
    """What every card tells: what builds the network, what it takes, its groups, and the proof."""
    return {
        "groups": [group.name for group in plan.groups],
        "factory": network.factory,
        "arguments": network.arguments,
        "normalisation": asdict(network.normalisation),
        "input": list(network.shape),
        "certificate": certificate.as_json(),
    }


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
