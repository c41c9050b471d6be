"""Latency: timed in ONNX Runtime, side by side with the dense network.

Machines drift, by heat, by clock and by neighbours. Each round times the reference and the
candidate one after the other, and their ratio is what counts; the reported latency is the median
ratio times the reference's own latency, which is measured once a run.
"""

import time
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..search.candidate import Estimate
from .onnx_graph import INPUT


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a latency is measured: on how many threads, at which batch size, for how long."""

    threads: int = 1
    batch: int = 1
    seconds: float = 0.6
    rounds: int = 15  # at least

    def __post_init__(self) -> None:
        for name in ("threads", "batch", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


def session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open a session on the CPU with this many threads and no spinning beside them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class LatencyMeter:
    """Times models against a reference that it holds ready."""

    def __init__(
        self,
        reference: bytes,
        shape: tuple[int, ...],
        protocol: Protocol,
        *,
        reference_ms: Estimate | None = None,
    ) -> None:
        self._protocol = protocol
        self._inputs = {
            INPUT: np.random.default_rng(0)
            .standard_normal((protocol.batch, *shape))
            .astype(np.float32)
        }
        self._reference = session(reference, protocol.threads)
        self._calls = self._calls_per_round()
        self.reference_ms = reference_ms or self._calibrate()

    def __call__(self, model: bytes) -> Estimate:
        """Return the model's latency in milliseconds: median and 95 % interval."""
        candidate = session(model, self._protocol.threads)
        self._time(candidate, 3)
        ratios: list[float] = []
        ends = time.perf_counter() + self._protocol.seconds
        while len(ratios) < self._protocol.rounds or time.perf_counter() < ends:
            before = self._time(self._reference, self._calls)
            within = self._time(candidate, self._calls)
            after = self._time(self._reference, self._calls)
            ratios.append(2 * within / (before + after))
        ratio = median_estimate(np.array(ratios))
        scale = self.reference_ms.value
        return Estimate(ratio.value * scale, ratio.low * scale, ratio.high * scale)

    def _calibrate(self) -> Estimate:
        times: list[float] = []
        ends = time.perf_counter() + 3 * self._protocol.seconds
        while len(times) < 3 * self._protocol.rounds or time.perf_counter() < ends:
            times.append(1e3 * self._time(self._reference, self._calls))
        return median_estimate(np.array(times))

    def _calls_per_round(self) -> int:
        """As many calls as keep one timing above the clock's noise: about 5 ms."""
        self._time(self._reference, 5)
        return max(1, round(0.005 / self._time(self._reference, 5)))

    def _time(self, model: onnxruntime.InferenceSession, calls: int) -> float:
        """Return the seconds of one call, averaged over a few."""
        start = time.perf_counter()
        for _ in range(calls):
            model.run(None, self._inputs)
        return (time.perf_counter() - start) / calls


def median_estimate(values: NDArray[np.float64]) -> Estimate:
    """Return the median with its 95 % interval from order statistics (distribution-free)."""
    ordered = np.sort(values)
    count = len(ordered)
    half = 0.98 * np.sqrt(count)  # normal approximation of the binomial: 1.96 * sqrt(n) / 2
    low = max(0, int(np.floor(count / 2 - half)))
    high = min(count - 1, int(np.ceil(count / 2 + half)) - 1)
    return Estimate(float(np.median(ordered)), float(ordered[low]), float(ordered[max(high, low)]))
