"""secateur prunes neural networks for the hardware they must run on."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cluster.exports.loading import load
    from .cluster.run import Run, launch, open_run
    from .cluster.training_run import TrainingRun, open_training, train

__version__ = version("secateur")
__all__ = [
    "Run",
    "TrainingRun",
    "__version__",
    "launch",
    "load",
    "open_run",
    "open_training",
    "train",
]

_HOMES = {
    "Run": "cluster.run",
    "TrainingRun": "cluster.training_run",
    "launch": "cluster.run",
    "load": "cluster.exports.loading",
    "open_run": "cluster.run",
    "open_training": "cluster.training_run",
    "train": "cluster.training_run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import secateur` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'secateur' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
