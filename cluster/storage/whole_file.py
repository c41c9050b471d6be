"""Whole file: written beside and moved into place, so that nobody meets half of it.

When a call returns, the file outlives a loss of power.
"""

import os
from pathlib import Path

from ...methods.disk import synchronise, write_through


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, and return its path."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_through(beside, content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    synchronise(path.parent)
    return path


def publish(beside: Path, path: Path) -> None:
    """Move a whole file to where there is none yet; FileExistsError where there is one."""
    try:
        os.link(beside, path)
    finally:
        beside.unlink()
    synchronise(path.parent)
