"""Disk: what was written is there when a call returns, whatever becomes of the power."""

import contextlib
import os
from pathlib import Path


def write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it; its name is safe once its folder is."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def synchronise(folder: Path) -> None:
    """Wait until the disk has the names that are in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems over a network cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
