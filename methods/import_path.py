"""Import paths: how a configuration names a user's own network or data."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any


def resolve(path: str) -> Callable[..., Any]:
    """Return the callable at `package.module:name`; the working directory is searched too."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ValueError(f"expected an import path like package.module:name, got {path!r}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(
            f"cannot import {module_name!r} of {path!r}: {error}; "
            "install the module or run from the folder that holds it"
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        raise ValueError(f"{module_name} has no callable {name!r}, as {path!r} expects")
    return found  # type: ignore[no-any-return]
