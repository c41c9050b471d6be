"""Device: what a latency was measured on, in words that differ where latencies do."""

import platform
from pathlib import Path

import onnxruntime


def device(*, threads: int, batch: int) -> str:
    """Name processor, operating system, ONNX Runtime and how it is used."""
    return (
        f"{_processor()}, {platform.system()} {platform.machine()}, ONNX Runtime "
        f"{onnxruntime.__version__} on the CPU, threads: {threads}, batch: {batch}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown processor")
