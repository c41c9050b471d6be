"""Resident memory: what a network really takes, seen from outside.

A process of its own opens the model and runs it; what it holds at most beyond what it held before
is the answer: weights, arena, and what the runtime needs for itself.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from .session import open_session, random_inputs
from .target import Target

RUNS = 3

_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident_bytes(model: bytes, target: Target, sizes: dict[str, int] | None = None) -> int:
    """Return the peak that a process holds for a model, in bytes; `sizes` as in `random_inputs`.

    RuntimeError where the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        asked = json.dumps({"model": str(path), "target": asdict(target), "sizes": sizes})
        found = subprocess.run(
            [sys.executable, "-m", __name__], input=asked, capture_output=True, text=True
        )
    if found.returncode:
        lines = found.stderr.strip().splitlines() or [f"it ended with {found.returncode}"]
        raise RuntimeError(f"the memory of the model cannot be measured: {lines[-1]}")
    return int(found.stdout)


def _held(asked: dict[str, object]) -> int:
    """Open and run a model in this process, and return how much more it held at most."""
    settings = asked["target"]
    assert isinstance(settings, dict)
    target = Target(**settings)
    model = Path(str(asked["model"])).read_bytes()
    _forget_peak()
    before = _peak()
    session = open_session(model, target)
    sizes = asked["sizes"]
    assert sizes is None or isinstance(sizes, dict)
    inputs = random_inputs(session, target.batch, sizes)
    for _ in range(RUNS):
        session.run(None, inputs)
    return max(0, _peak() - before)


def _forget_peak() -> None:
    """Let the peak begin anew, where the system can; otherwise it is that of the whole process."""
    try:
        _REFERENCES.write_text("5")
    except OSError:
        return


def _peak() -> int:
    try:
        if found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text()):
            return 1024 * int(found[1])
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    print(_held(json.load(sys.stdin)))
