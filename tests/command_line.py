"""The command line as its users have it: a process of its own."""

import subprocess
import sys
import time
from collections.abc import Callable

PATIENCE_S = 240
"""How long a command may take on a machine that does other things as well."""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "secateur.cluster.commands.cli", *map(str, arguments)]


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Wait for a command, which must end with this code."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == code, done.stderr
    return done


def wait_for(process: subprocess.Popen, condition: Callable[[], bool]) -> None:
    """Wait until something holds while a command runs."""
    begun = time.monotonic()
    while not condition():
        assert process.poll() is None, "the command ended before it was killed"
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.02)
