"""Training run: the public face of what trains - begin it, open it, look at it, go on with it.

What trains, and takes seconds to import, is imported when it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from .runs.progress import Silent, Watcher
from .runs.record import METHOD
from .settings.config import Config, check_config
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
    watcher: Watcher | None = None,
) -> TrainingRun:
    """Run a training from the beginning and return it, complete.

    `clad` learns pruning criteria, cuts once and fine-tunes; `icpg` draws lottery tickets of a
    graph network. Args and errors are those of `launch`; plain values are read as the method's
    configuration.
    """
    if isinstance(config, Mapping):
        check = check_graph_config if method == "icpg" else check_config
        config = check(dict(config), source="the configuration")
    method = "icpg" if isinstance(config, GraphConfig) else "clad"
    directory = folder_for(config.name, run)
    if Journal.exists(directory):
        raise ValueError(TAKEN.format(directory))
    start = import_module(_HOMES[method], __package__).start
    start(config, directory, watcher or Silent(), address=address)
    return open_training(directory)


def open_training(path: str | Path, *, on: str | None = None) -> TrainingRun:
    """Open an existing training, as `open_run` does with a search."""
    journal = Journal.open(Path(path), on=on)
    if journal.fact(METHOD) is None:
        raise ValueError(f"{path} is no training but a search: open it by secateur.open_run")
    return TrainingRun(Path(path), journal)
