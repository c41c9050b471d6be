"""Target: what a network is to run on - a provider of ONNX Runtime, and how it is used."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "int8"]
"""`int8`: statically quantised, weights for each channel, activations by calibration images."""

Optimisation = Literal["all", "extended", "basic", "off"]
"""How far ONNX Runtime rewrites the graph before it runs."""

Statistic = Literal["median", "p90", "p99"]
"""What of many calls is told: the middle one, or what 90, or 99, in a hundred keep to."""


@dataclass(frozen=True, slots=True)
class Target:
    """How a network is run. `provider` is ONNX Runtime's: cpu, cuda, tensorrt, openvino, qnn...

    `batch` images are run at a time, on so many `threads` of the processor.
    """

    provider: str = "cpu"
    threads: int = 1
    batch: int = 1
    precision: Precision = "fp32"
    optimisation: Optimisation = "all"

    def __post_init__(self) -> None:
        for name in ("threads", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
