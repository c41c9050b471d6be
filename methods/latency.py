"""Latency: timed in ONNX Runtime, side by side with the dense network.

Machines drift, by heat, by clock and by neighbours. Each round times a few calls of the reference,
of the candidate, and of the reference again; a round's answer is the ratio of the median calls,
so that a call which the system interrupts does not count. The reported latency is the median ratio
times the reference's own latency, which is measured once a run. Rounds go on until the interval is
narrow.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy.stats import binom

from ..search.candidate import Estimate
from .onnx_graph import INPUT


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a latency is measured: threads, batch size, and how long.

    It takes at least `seconds`, then goes on until the 95 % interval is narrower than `precision`
    of the value, and gives up narrowing after `patience` times `seconds`.
    """

    threads: int = 1
    batch: int = 1
    seconds: float = 0.3
    precision: float = 0.03
    patience: float = 10.0

    def __post_init__(self) -> None:
        for name in ("threads", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


ROUNDS = 15
"""Fewest rounds: with them, order statistics give a 95 % interval that leaves out the extremes."""


def session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open a session on the CPU with this many threads, otherwise as ONNX Runtime comes."""
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
        self._time(candidate)

        def ratio() -> float:
            before, within = self._time(self._reference), self._time(candidate)
            return 2 * within / (before + self._time(self._reference))

        estimate = self._repeated(ratio)
        scale = self.reference_ms.value
        return Estimate(estimate.value * scale, estimate.low * scale, estimate.high * scale)

    def _calibrate(self) -> Estimate:
        return self._repeated(lambda: 1e3 * self._time(self._reference))

    def _repeated(self, sample: Callable[[], float]) -> Estimate:
        """Sample until the interval of the median is narrow, or patience ends."""
        protocol, samples = self._protocol, list[float]()
        start = time.perf_counter()
        while True:
            samples.append(sample())
            spent = time.perf_counter() - start
            if len(samples) < ROUNDS or spent < protocol.seconds:
                continue
            estimate = median_estimate(np.array(samples))
            narrow = estimate.high - estimate.low <= protocol.precision * estimate.value
            if narrow or spent > protocol.patience * protocol.seconds:
                return estimate

    def _calls_per_round(self) -> int:
        """As many calls as a round can spare: about 8 ms of them, at least 3."""
        self._calls = 5
        self._time(self._reference)
        return max(3, round(0.008 / self._time(self._reference)))

    def _time(self, model: onnxruntime.InferenceSession) -> float:
        """Return the seconds of the median of a few calls, after one that warms the caches."""
        model.run(None, self._inputs)
        times = []
        for _ in range(self._calls):
            start = time.perf_counter()
            model.run(None, self._inputs)
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def median_estimate(values: NDArray[np.float64]) -> Estimate:
    """Return the median with its 95 % interval from order statistics (distribution-free)."""
    ordered = np.sort(values)
    rank = max(int(binom.ppf(0.025, len(ordered), 0.5)) - 1, 0)
    low, high = ordered[rank], ordered[len(ordered) - 1 - rank]
    return Estimate(float(np.median(ordered)), float(low), float(high))
