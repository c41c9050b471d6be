"""Whole file: written beside and moved into place, so that nobody meets half of it."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, and return its path."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def publish(beside: Path, path: Path) -> None:
    """Move a whole file to where there is none yet; FileExistsError where there is one."""
    try:
        os.link(beside, path)
    finally:
        beside.unlink()
