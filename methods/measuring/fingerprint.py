"""Fingerprint: what a latency was measured on, in words that differ where latencies do."""

import hashlib
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime

from .target import Target

Fingerprint = dict[str, Any]
"""Plain values by name; what could not be read is absent."""

_PASSING = frozenset({"governor", "highest_mhz"})
"""What may differ between two days on one machine; it is told, and does not make another one."""

_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def fingerprint(target: Target) -> Fingerprint:
    """Tell processor, clock, operating system, ONNX Runtime and how it is used."""
    known: Fingerprint = {
        "processor": _processor(),
        "governor": _read(_CPU / "scaling_governor"),
        "highest_mhz": _megahertz(_read(_CPU / "scaling_max_freq")),
        "accelerator": None if target.provider == "cpu" else _accelerator(),
        "system": f"{platform.system()} {platform.machine()}",
        "runtime": f"ONNX Runtime {onnxruntime.__version__}",
        **asdict(target),
    }
    return {name: value for name, value in known.items() if value is not None}


def identity(known: Fingerprint) -> str:
    """Return twelve hexadecimal digits that are the same where latencies can be compared."""
    lasting = {name: value for name, value in known.items() if name not in _PASSING}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:12]


def described(known: Fingerprint) -> str:
    """Say it in one line."""
    where = ", ".join(
        str(known[name]) for name in ("processor", "accelerator", "system") if name in known
    )
    used = f"threads: {known['threads']}, batch: {known['batch']}"
    changed = [known["precision"]] if known["precision"] != "fp32" else []
    if known["optimisation"] != "all":
        changed.append(f"graph optimisation {known['optimisation']}")
    return ", ".join([where, f"{known['runtime']} by {known['provider']}", used, *changed])


def _processor() -> str:
    text = _read(Path("/proc/cpuinfo")) or ""
    lines = (line for line in text.splitlines() if line.startswith(("model name", "Model")))
    return next((line.partition(":")[2].strip() for line in lines), "") or (
        platform.processor() or "unknown processor"
    )


def _accelerator() -> str | None:
    """The name of the first GPU, where NVIDIA's driver tells it."""
    names = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    text = _read(names[0]) if names else None
    lines = (line for line in (text or "").splitlines() if line.startswith("Model:"))
    return next((line.partition(":")[2].strip() for line in lines), None)


def _megahertz(kilohertz: str | None) -> int | None:
    return int(kilohertz) // 1000 if kilohertz and kilohertz.isdigit() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
