"""Training run: the public face of what trains - begin it, open it, look at it, go on with it.

What trains, and takes seconds to import, is imported when it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from .runs.progress import Silent, Watcher
from .runs.record import METHOD
from .settings import graph_config
from .settings.checked import require_same
from .settings.config import Config, check_config, with_absolute_paths
from .settings.graph_config import GraphConfig, check_graph_config
from .storage.journal import Journal
from .storage.run_folder import TAKEN, folder_for

Method = Literal["clad", "icpg"]

_HOMES: dict[Method, str] = {"clad": ".training.clad", "icpg": ".lottery.icpg"}


class TrainingRun:
    """A training in its folder: running, stopped or complete."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path.absolute()  # for workers, which run in folders of their own
        self._journal = journal
        self._method = import_module(_HOMES[self.method], __package__)

    @property
    def path(self) -> Path:
        """The run's folder; what comes of it is in `pruned` or `tickets` in it."""
        return self._path

    @property
    def method(self) -> Method:
        """How it trains."""
        method: Method = self._journal.fact(METHOD)
        return method

    @property
    def config(self) -> Config | GraphConfig:
        """The configuration it was launched with."""
        config: Config | GraphConfig = self._method.config_of(self._path, self._journal)
        return config

    @property
    def state(self) -> str:
        """One of running, stopped, complete, failed."""
        return self._journal.state

    def status(self) -> dict[str, Any]:
        """Return how far the run is, and what came of it, as `secateur status --json` prints it."""
        told: dict[str, Any] = self._method.status(self._path, self._journal)
        return told

    def resume(
        self, *, address: str | None = None, watcher: Watcher | None = None
    ) -> "TrainingRun":
        """Go on after any stop and return the run, complete; at once where it is so already.

        RunBusy where another process works on it, RunFailed where it cannot go on.
        """
        self._journal.lead_here()
        if self.state != "complete":
            self._method.go_on(self._path, self._journal, watcher or Silent(), address=address)
        return self


def train(
    config: Config | GraphConfig | Mapping[str, Any],
    run: str | Path | None = None,
    *,
    method: Method = "clad",
    address: str | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> TrainingRun:
    """Run a training from the beginning and return it, complete.

    `clad` learns pruning criteria, cuts once and fine-tunes; `icpg` draws lottery tickets of a
    graph network. Args and errors are those of `launch`; plain values are read as the method's
    configuration. A training that is gone on with is one of the same method.
    """
    if isinstance(config, Mapping):
        check = check_graph_config if method == "icpg" else check_config
        config = check(dict(config), source="the configuration")
    method = "icpg" if isinstance(config, GraphConfig) else "clad"
    directory = folder_for(config.name, run)
    if Journal.exists(directory):
        if not resume:
            raise ValueError(TAKEN.format(directory))
        return _existing(directory, config, method).resume(address=address, watcher=watcher)
    start = import_module(_HOMES[method], __package__).start
    start(config, directory, watcher or Silent(), address=address)
    return open_training(directory)


def _existing(directory: Path, config: Config | GraphConfig, method: Method) -> TrainingRun:
    """Open the training of a folder, or refuse where it is not the one that is asked for."""
    journal = Journal.open(directory)
    if (held := journal.fact(METHOD)) != method:
        raise ValueError(
            f"{directory} holds {f'a training by {held}' if held else 'a search'}, not a training "
            f"by {method}: choose another --run, or go on with it by: secateur resume {directory}"
        )
    run = TrainingRun(directory, journal)
    require_same(_as_launched(config, run.config), run.config, directory)
    return run


def _as_launched(config: Config | GraphConfig, known: Config | GraphConfig) -> Config | GraphConfig:
    """A configuration as a run that is begun with it keeps it; a `known` one tells the graphs."""
    if isinstance(config, Config):
        return with_absolute_paths(config)
    assert isinstance(known, GraphConfig)
    from .lottery.lottery import task_of

    task = task_of(known)
    config = graph_config.with_absolute_paths(config)
    return graph_config.settled(config, task.level, published=task.split is not None)


def open_training(path: str | Path, *, on: str | None = None) -> TrainingRun:
    """Open an existing training, as `open_run` does with a search."""
    journal = Journal.open(Path(path), on=on)
    if journal.fact(METHOD) is None:
        raise ValueError(f"{path} is no training but a search: open it by secateur.open_run")
    return TrainingRun(Path(path), journal)
