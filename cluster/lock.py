"""Lock: one process at a time works on a run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunBusy(RuntimeError):
    """Another process works on the run."""


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the run's lock; the system lets go of it when the process ends, however it ends."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunBusy(
                f"{directory} is being worked on by another process: wait for it or stop it"
            ) from error
        yield
    finally:
        os.close(handle)


def is_held(directory: Path) -> bool:
    """Whether a live process works on the run."""
    try:
        handle = os.open(directory / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
