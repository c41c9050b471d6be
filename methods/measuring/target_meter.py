"""Target meter: times graphs of one network on one target, beside the dense one."""

import time

import numpy as np
from numpy.typing import NDArray

from ...search.candidate import Estimate
from .latency import Clock, LatencyMeter, Measurement, Protocol
from .operators import OperatorTime, operator_times
from .preparation import Preparation
from .target import Target


class TargetMeter:
    """Times graphs that take the same input; those for int8 are quantised first."""

    def __init__(
        self,
        reference: bytes,
        target: Target,
        protocol: Protocol,
        *,
        calibration: NDArray[np.float32] | None = None,
        reference_ms: Estimate | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        """Hold the reference ready; see `Preparation` for `calibration` and for what is raised."""
        self._prepare = Preparation(reference, target, calibration=calibration)
        self._meter = LatencyMeter(
            self._prepare(reference).open, protocol, reference_ms=reference_ms, clock=clock
        )

    @property
    def reference_ms(self) -> Estimate:
        """The reference's own latency in milliseconds."""
        return self._meter.reference_ms

    def __call__(self, model: bytes) -> Measurement:
        """Return the latency of a graph."""
        return self._meter(self._prepare(model).open)

    def with_operators(self, model: bytes) -> tuple[Measurement, list[OperatorTime]]:
        """Return the latency of a graph, and what its layers take where the provider tells."""
        prepared = self._prepare(model)
        return self._meter(prepared.open), operator_times(prepared)
