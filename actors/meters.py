"""Meters: what evaluators and profilers load in their own process."""

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any

from ..methods.data.images import Images
from ..methods.measuring.fingerprint import fingerprint
from ..methods.measuring.latency import Protocol
from ..methods.measuring.target import Target
from ..methods.measuring.target_meter import TargetMeter
from ..methods.models.accuracy import CPU, AccuracyMeter, exact_gpu
from ..methods.models.prunable import Prunable
from ..methods.pruning.onnx_graph import OnnxTemplate
from ..search.candidate import Estimate
from .job import DEVICE, OPERATORS, REFERENCE, Job, Quantity, Reading, once
from .worker import Measure

_TOLD = ("beside_ms", "sittings", "calls")


@dataclass(frozen=True, slots=True)
class AccuracyPayload:
    """Everything an evaluator needs; quick errors are those on the first so many search images."""

    prunable: Prunable
    recalibration: Images
    search: Images
    final: Images
    threads: int
    quick_images: int | None = None
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """How one latency is measured, and what the dense network's is, once it is known."""

    target: Target
    protocol: Protocol
    reference_ms: Estimate | None = None


@dataclass(frozen=True, slots=True)
class LatencyPayload:
    """Everything a profiler needs: how each of its latencies is measured, by name.

    `calibration` are images for targets that quantise.
    """

    prunable: Prunable
    dense_onnx: bytes
    timings: Mapping[Quantity, Timing]
    calibration: Images


def load_accuracy(payload: AccuracyPayload) -> Measure:
    """Build the dense network and hold the images ready, on the GPU where the worker has one."""
    meter = AccuracyMeter(
        payload.prunable.pruner(threads=payload.threads),
        payload.prunable.normalisation,
        recalibration=payload.recalibration,
        splits={
            "error": payload.search,
            "quick_error": payload.search[: payload.quick_images],
            "final_error": payload.final,
        },
        device=exact_gpu() if payload.gpu else CPU,
    )
    return lambda job: meter(job.genome, job.quantity)


def load_latency(payload: LatencyPayload) -> Measure:
    """Open the dense network as the reference; measure it on every target where it is not known.

    The first reading of each target tells its fingerprint, every one what it rests on.
    """
    pruner = payload.prunable.pruner()
    template = OnnxTemplate(payload.dense_onnx)
    dense = template.fill(pruner.state)
    images = payload.prunable.normalisation(payload.calibration).contiguous().numpy()
    meters = {
        name: TargetMeter(
            dense,
            timing.target,
            timing.protocol,
            calibration=images,
            reference_ms=timing.reference_ms,
        )
        for name, timing in payload.timings.items()
    }
    introduced: set[Quantity] = set()

    def measure(job: Job) -> Reading:
        name = once(job.quantity)
        meter, beside = meters[name], dict[str, Any]()
        if name not in introduced:
            introduced.add(name)
            beside[DEVICE] = fingerprint(payload.timings[name].target)
        if pruner.is_dense(job.genome):
            return Reading(meter.reference_ms, beside)
        graph = template.fill(pruner.sliced_state(job.genome))
        found, layers = meter.with_operators(graph)
        told = asdict(found)
        beside |= {name: told[name] for name in _TOLD}
        beside[REFERENCE] = meter.reference_ms.value
        return Reading(
            found.estimate, {**beside, OPERATORS: [list(astuple(one)) for one in layers]}
        )

    return measure
