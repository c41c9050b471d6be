"""Whole file: written beside and moved into place, so that nobody meets half of it.

When a call returns, the file outlives a loss of power.
"""

import errno
import os
from pathlib import Path

from ...methods.disk import synchronise, write_through

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems answer that have no hard links."""


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
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        path.touch(exist_ok=False)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    synchronise(path.parent)
