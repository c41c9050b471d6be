"""Profile: what one network takes on a target - time, memory and energy - and two side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...actors.cores import confined, split_cores
from ...methods.data.photographs import photographs
from ...methods.measuring.energy import energy_counter, joules_per_call
from ...methods.measuring.fingerprint import Fingerprint, fingerprint
from ...methods.measuring.latency import Comparison, Measurement, alone, compare
from ...methods.measuring.preparation import Preparation
from ...methods.measuring.resident import resident_bytes
from ...methods.measuring.target import Target
from ...methods.models.exported import ONNX
from ...methods.models.named import Shape, load_model
from ...methods.pruning.memory import peak_activation_bytes, weight_bytes
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
    last reader (an int8 graph does not tell), and the peak that a process of its own holds. Energy
    is that of the whole device.
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
    prepare = _preparation(graph, target)
    prepared, counter = prepare(graph.model), energy_counter(target)
    with confined(split_cores(target.threads).profiler):
        latency = alone(prepared.open, protocol_for(settings))
        energy = joules_per_call(prepared.open(), counter) if counter else None
        held = resident_bytes(prepared.model, target, dict(graph.sizes))
    return Profile(
        latency,
        weight_bytes(prepared.model),
        None if target.precision == "int8" else _peak(graph.model, prepare.shapes),
        held,
        energy,
        counter.name if counter else None,
        fingerprint(target),
    )


def beside(one: Graph, other: Graph, settings: Latency) -> Comparison:
    """Time two graphs in turns, on cores of their own where there are enough."""
    target = target_for(settings)
    with confined(split_cores(target.threads).profiler):
        first, second = (_preparation(graph, target)(graph.model) for graph in (one, other))
        return compare(first.open, second.open, protocol_for(settings))


def _preparation(graph: Graph, target: Target) -> Preparation:
    return Preparation(graph.model, target, sizes=graph.sizes, name=graph.name)


def _peak(model: bytes, shapes: Mapping[str, Sequence[int]]) -> int | None:
    """Bytes of activations at their peak, where their shapes can be told."""
    try:
        return peak_activation_bytes(model, shapes)
    except ValueError:
        return None
