"""Operators: what every layer that multiplies takes inside a whole network, by ONNX Runtime.

ONNX Runtime's own profiler times each node of the graph that it really runs. Kept are convolutions
and linear layers, by the sizes of their weights and how often those are applied: the same layer in
another network takes the same time.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from .preparation import Prepared
from .session import open_ready

RUNS, WARMING = 15, 5
_WEIGHTS = {
    "Conv": 1,
    "FusedConv": 1,
    "QLinearConv": 3,
    "Gemm": 1,
    "FusedGemm": 1,
    "QGemm": 3,
    "MatMul": 1,
}
"""Operators that multiply, and which of their inputs is the weight."""


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """A layer's weight (outputs, inputs, height, width), how often it is applied, milliseconds.

    Outputs may be more than the network has: kernels fill vectors of 8 or 16 with zeros.
    """

    outputs: int
    inputs: int
    height: int
    width: int
    positions: int
    ms: float


def operator_times(prepared: Prepared, *, runs: int = RUNS) -> list[OperatorTime]:
    """Run a graph so often, after a few runs to warm up, and return what its layers take.

    On other providers than the processor those that the provider fuses are not told apart.
    """
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        session = open_ready(prepared.ready, prepared.target, profile=profile)
        for _ in range(WARMING + runs):
            session.run(None, prepared.inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    weights = _weights(onnx.load_from_string(prepared.ready).graph)
    timed: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        name = event["name"].removesuffix("_kernel_time")
        if event.get("cat") == "Node" and name != event["name"] and name in weights:
            timed.setdefault(name, []).append(event)
    found = []
    for name, every in timed.items():
        ms = float(np.median([event["dur"] for event in every[WARMING:]])) / 1e3
        (output,) = every[0]["args"]["output_type_shape"][0].values()
        found.append(OperatorTime(*_sizes(weights[name], output), ms))
    return found


def _weights(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights that nodes multiply with, by the nodes' names."""
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        place = _WEIGHTS.get(node.op_type, len(node.input))
        if place < len(node.input) and len(constants.get(node.input[place], ())) in (2, 4):
            found[node.name] = constants[node.input[place]]
    return found


def _sizes(weight: tuple[int, ...], output: Sequence[int]) -> tuple[int, int, int, int, int]:
    """A weight's sizes and how often it is applied; a matrix may lie either way round."""
    if len(weight) == 2:
        weight = (output[-1], weight[0] * weight[1] // output[-1], 1, 1)
    outputs, inputs, height, width = weight
    return outputs, inputs, height, width, int(np.prod(output)) // outputs
