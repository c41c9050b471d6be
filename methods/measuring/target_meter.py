"""Target meter: times graphs of one network on one target, beside the dense one."""

import time

import numpy as np
from numpy.typing import NDArray

from ...search.candidate import Estimate
from .latency import Clock, LatencyMeter, Measurement, Open, Protocol
from .operators import OperatorTime, operator_times
from .quantised import quantised
from .session import open_session, opener, random_inputs
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
        """Hold the reference ready.

        `calibration` images are normalised, shape (images, channels, height, width); int8 needs
        them. A ValueError tells where the target or the reference cannot be used.
        """
        if target.precision == "int8" and (calibration is None or len(calibration) == 0):
            raise ValueError("int8 needs images to calibrate by: give some")
        session = open_session(reference, Target(provider=target.provider))
        self._input = session.get_inputs()[0].name
        self._inputs = random_inputs(session, target.batch)
        self._target = target
        self._calibration = calibration
        self._meter = LatencyMeter(
            self._open(self._ready(reference)), protocol, reference_ms=reference_ms, clock=clock
        )

    @property
    def reference_ms(self) -> Estimate:
        """The reference's own latency in milliseconds."""
        return self._meter.reference_ms

    def __call__(self, model: bytes) -> Measurement:
        """Return the latency of a graph."""
        return self._meter(self._open(self._ready(model)))

    def with_operators(self, model: bytes) -> tuple[Measurement, list[OperatorTime]]:
        """Return the latency of a graph and what its layers take; it is quantised once."""
        ready = self._ready(model)
        return self._meter(self._open(ready)), self._operators(ready)

    def operators(self, model: bytes) -> list[OperatorTime]:
        """Return what the layers of a graph take; nothing where the provider does not tell."""
        return self._operators(self._ready(model))

    def _operators(self, ready: bytes) -> list[OperatorTime]:
        return operator_times(ready, self._target, self._inputs)

    def _open(self, ready: bytes) -> Open:
        return opener(ready, self._target, self._inputs)

    def _ready(self, model: bytes) -> bytes:
        """The graph in the target's precision."""
        if self._target.precision == "fp32":
            return model
        assert self._calibration is not None
        return quantised(model, self._input, self._calibration)
