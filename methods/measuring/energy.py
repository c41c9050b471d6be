"""Energy: joules that a device has used, where it counts them; absent elsewhere, never guessed.

Intel's and AMD's processors count by RAPL, NVIDIA's GPUs by NVML. Both count everything on the
device, other processes and its rest included.
"""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from .latency import Call, Clock
from .target import Target

POWERCAP = Path("/sys/class/powercap")
LEAST_SECONDS = 1.0
"""Counters move some hundred times a second at best."""

_GPUS = ("cuda", "tensorrt")


class EnergyCounter(Protocol):
    """A device's counter."""

    @property
    def name(self) -> str:
        """Who counts, and what."""
        ...

    def joules(self) -> float:
        """Joules since some moment in the past, which never go down."""
        ...


def energy_counter(target: Target, powercap: Path = POWERCAP) -> EnergyCounter | None:
    """Return the counter of a target's device, or None where there is none that can be read."""
    if target.provider in _GPUS:
        return _gpu()
    try:
        packages = [zone for zone in sorted(powercap.glob("*-rapl:*")) if _is_package(zone)]
        return Rapl(packages) if packages else None
    except (OSError, ValueError):
        return None


def joules_per_call(
    call: Call,
    counter: EnergyCounter,
    *,
    seconds: float = LEAST_SECONDS,
    clock: Clock = time.perf_counter,
) -> float:
    """Run a model for so long, and return what one call has used."""
    call()
    calls, began, before = 0, clock(), counter.joules()
    while clock() - began < seconds:
        call()
        calls += 1
    return (counter.joules() - before) / max(1, calls)


class Rapl:
    """All packages of a processor, by the counters of Linux's powercap; they wrap around."""

    name = "RAPL, all packages"

    def __init__(self, packages: list[Path]) -> None:
        """OSError where a counter cannot be read, as only root can on most systems."""
        self._packages = packages
        self._ranges = [_microjoules(one / "max_energy_range_uj") for one in packages]
        self._latest = [_microjoules(one / "energy_uj") for one in packages]
        self._total = 0

    def joules(self) -> float:
        """Joules since this counter was made."""
        now = [_microjoules(one / "energy_uj") for one in self._packages]
        for new, old, whole in zip(now, self._latest, self._ranges, strict=True):
            self._total += new - old if new >= old else new - old + whole
        self._latest = now
        return self._total / 1e6


def _is_package(zone: Path) -> bool:
    """Whether a zone is a whole processor: not a part of one, nor the platform around it."""
    return (zone / "name").read_text().startswith("package")


def _microjoules(path: Path) -> int:
    return int(path.read_text())


class Nvml:
    """One GPU, by its own counter of millijoules since the driver was loaded."""

    name = "NVML, the GPU"

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read

    def joules(self) -> float:
        """Joules since the driver was loaded."""
        return self._read() / 1e3


def _gpu() -> Nvml | None:
    """The counter of the first GPU, where NVIDIA's library is installed and lets it be read."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        device = nvml.nvmlDeviceGetHandleByIndex(0)
        counter = Nvml(lambda: int(nvml.nvmlDeviceGetTotalEnergyConsumption(device)))
        counter.joules()
    except Exception:  # no library, no driver, no GPU, or one that does not count: all alike
        return None
    return counter
