"""Arrays: reading named arrays from `.npz` files, without ever unpickling."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of an `.npz` file by name; a damaged file is named in a ValueError."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as members:
            return {name.removesuffix(".npy"): _read(members, name) for name in members.namelist()}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"cannot read the arrays in {path}: {reason}; copy it anew") from error


def _read(members: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with members.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array
