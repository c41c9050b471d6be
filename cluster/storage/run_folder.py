"""Run folder: where a new run is to be."""

import time
from pathlib import Path

TAKEN = "{0} holds a run already: choose another --run, or go on with it by: secateur resume {0}"


def folder_for(name: str, run: str | Path | None) -> Path:
    """Where a run of this name is to be; by default below `runs`, by the time.

    The path is absolute: workers run in folders of their own.
    """
    chosen = Path(run or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    return chosen.expanduser().absolute()
