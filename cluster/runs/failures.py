"""Failures: why a run cannot begin or go on, in a line, and noted where the run is."""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...actors.fleet import WorkersLost
from ..storage.database import JournalError
from ..storage.journal import Journal
from ..storage.tenure import Superseded
from .coordinator import RunFailed


def make_folder(directory: Path) -> None:
    """Make a run's folder, or refuse one that cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise ValueError(
            f"cannot make the run folder {directory}: {error.strerror}; choose another by --run"
        ) from error


@contextmanager
def failures_noted(path: Path, journal: Journal) -> Iterator[None]:
    """Remember why the run in a folder failed; an interrupted one is just stopped."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with: secateur resume {path}") from None
    except WorkersLost as error:
        raise RunFailed(_noted(path, journal, str(error))) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        reason = f"cannot write{where}: {error.strerror or error}"
        raise RunFailed(_noted(path, journal, reason)) from error
    except Exception as error:
        _noted(path, journal, f"{type(error).__name__}: {error}")
        raise


def _noted(path: Path, journal: Journal, reason: str) -> str:
    """Note why the run failed, if the journal still can, and say how to go on."""
    with contextlib.suppress(JournalError, Superseded):
        journal.note("failed", reason)
    return f"{reason}; what was measured is safe, go on with: secateur resume {path}"
