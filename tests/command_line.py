"""The command line as its users have it: a process of its own."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 240
"""How long a command may take on a machine that does other things as well."""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "secateur.cluster.commands.cli", *map(str, arguments)]


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Wait for a command, which must end with this code."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == code, done.stderr
    return done


@contextmanager
def running(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Let a command run meanwhile; what has not ended by then is killed, as by `kill -9`."""
    with subprocess.Popen(command(*arguments), text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen, condition: Callable[[], bool]) -> None:
    """Wait until something holds while a command runs."""
    begun = time.monotonic()
    while not condition():
        assert process.poll() is None, "the command ended before it was killed"
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.02)
