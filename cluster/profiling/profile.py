"""Profile: what one network takes on a target - time, memory and energy - and two side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...actors.cores import confined, split_cores
from ...methods.data.photographs import photographs
from ...methods.measuring.energy import energy_counter, joules_per_call
from ...methods.measuring.fingerprint import Fingerprint, fingerprint
from ...methods.measuring.latency import Comparison, Measurement, Open, alone, compare
from ...methods.measuring.quantised import CALIBRATION_IMAGES, quantised
from ...methods.measuring.resident import resident_bytes
from ...methods.measuring.session import Inputs, open_session, opener, random_inputs
from ...methods.measuring.target import Target
from ...methods.models.exported import ONNX
from ...methods.models.named import Shape, load_model
from ...methods.pruning.memory import graph_memory
from ...methods.pruning.onnx_graph import export
from ..settings.config import Latency
from .targets import protocol_for, target_for


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's ONNX graph, its name, and the sizes of dimensions that it leaves free."""

    name: str
    model: bytes
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a network takes on a target; what cannot be read there is absent.

    Memory is that of its weights, of its activations at their peak when each is freed after its
    last reader, and the peak that a process of its own holds. Energy is that of the whole device.
    """

    latency: Measurement
    weight_bytes: int
    peak_activation_bytes: int | None
    resident_bytes: int
    energy_j: float | None
    energy_by: str | None
    device: Fingerprint

    def as_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        estimate = self.latency.estimate
        return {
            "latency_ms": asdict(estimate),
            "images_per_s": 1e3 * self.device["batch"] / estimate.value,
            "sittings": self.latency.sittings,
            "calls": self.latency.calls,
            **{name: getattr(self, name) for name in _READINGS if getattr(self, name) is not None},
            "device": self.device,
        }


_READINGS = ("weight_bytes", "peak_activation_bytes", "resident_bytes", "energy_j", "energy_by")


def graph_of(
    name: str, *, root: Path | None, shape: Shape | None, sizes: Mapping[str, int]
) -> Graph:
    """Read `model.onnx`, a folder that export or cut has written, or export any model by its name.

    A ValueError tells what is no model.
    """
    path = Path(name)
    if path.is_dir() and (path / ONNX).is_file():
        return Graph(name, (path / ONNX).read_bytes(), sizes)
    if path.suffix == ".onnx":
        if not path.is_file():
            raise ValueError(f"no file at {path}")
        return Graph(name, path.read_bytes(), sizes)
    model = load_model(name, root=root, shape=shape)
    example = photographs(model.shape, model.normalisation)[:1]
    return Graph(name, export(model.network, example), sizes)


def profile(graph: Graph, settings: Latency) -> Profile:
    """Measure a graph alone, on cores of its own where there are enough."""
    target = target_for(settings)
    model, inputs = _for_target(graph, target)
    counter = energy_counter(target)
    with confined(split_cores(target.threads).profiler):
        opened = opener(model, target, inputs, name=graph.name)
        latency = alone(opened, protocol_for(settings))
        energy = joules_per_call(opened(), counter) if counter else None
        held = resident_bytes(model, target, dict(graph.sizes))
    shapes = {name: values.shape for name, values in inputs.items()}
    weights, peak = _on_paper(graph.model, shapes)
    return Profile(
        latency,
        weights,
        peak,
        held,
        energy,
        counter.name if counter else None,
        fingerprint(target),
    )


def beside(one: Graph, other: Graph, settings: Latency) -> Comparison:
    """Time two graphs in turns, on cores of their own where there are enough."""
    target = target_for(settings)
    with confined(split_cores(target.threads).profiler):
        return compare(_opened(one, target), _opened(other, target), protocol_for(settings))


def _opened(graph: Graph, target: Target) -> Open:
    model, inputs = _for_target(graph, target)
    return opener(model, target, inputs, name=graph.name)


def _for_target(graph: Graph, target: Target) -> tuple[bytes, Inputs]:
    """The graph in the target's precision, and inputs for it.

    What int8 is calibrated on are random numbers: latency does not depend on them.
    """
    session = open_session(graph.model, Target(provider=target.provider), name=graph.name)
    inputs = random_inputs(session, target.batch, graph.sizes)
    if target.precision == "fp32":
        return graph.model, inputs
    if len(inputs) != 1:
        raise ValueError(
            f"{graph.name} has {len(inputs)} inputs: int8 is for one that takes images"
        )
    name = session.get_inputs()[0].name
    drawn = random_inputs(session, CALIBRATION_IMAGES, graph.sizes)[name].astype(np.float32)
    return quantised(graph.model, name, drawn), inputs


def _on_paper(model: bytes, shapes: Mapping[str, Sequence[int]]) -> tuple[int, int | None]:
    """Bytes of weights, and of activations where their shapes can be told."""
    try:
        return graph_memory(model, shapes)
    except ValueError:
        return len(model), None
