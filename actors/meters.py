"""Meters: what evaluators and profilers load in their own process."""

from dataclasses import dataclass

from ..methods.accuracy import CPU, AccuracyMeter, exact_gpu
from ..methods.images import Images
from ..methods.latency import LatencyMeter, Protocol
from ..methods.onnx_graph import OnnxTemplate
from ..methods.prunable import Prunable
from ..search.candidate import Estimate
from .job import Job
from .worker import Measure


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
class LatencyPayload:
    """Everything a profiler needs; `reference_ms` is known once the run has measured it."""

    prunable: Prunable
    dense_onnx: bytes
    protocol: Protocol
    reference_ms: Estimate | None


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
    """Open the dense network as the reference; measure it once if the run has not yet."""
    pruner = payload.prunable.pruner()
    template = OnnxTemplate(payload.dense_onnx)
    meter = LatencyMeter(
        template.fill(pruner.state),
        payload.prunable.shape,
        payload.protocol,
        reference_ms=payload.reference_ms,
    )

    def measure(job: Job) -> Estimate:
        if pruner.is_dense(job.genome):
            return meter.reference_ms
        return meter(template.fill(pruner.sliced_state(job.genome)))

    return measure
