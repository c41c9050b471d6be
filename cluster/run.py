"""Run: the public face of a search - launch it, open it, look at it, go on with it.

What searches, and takes seconds to import, is imported when a search begins.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .runs.progress import Silent, Watcher
from .runs.record import METHOD, Record
from .runs.results import Member, Results
from .settings.checked import require_same
from .settings.config import Config, check_config, with_absolute_paths
from .storage.artifacts import ELSEWHERE, absolute
from .storage.journal import Journal
from .storage.run_folder import TAKEN, folder_for
from .training_run import TrainingRun


class Run:
    """A search in its folder, running, stopped or complete."""

    def __init__(self, record: Record) -> None:
        self._record = record

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._record.path

    @property
    def config(self) -> Config:
        """The configuration it was launched with."""
        return self._record.config

    @property
    def state(self) -> str:
        """One of running, stopped, complete, failed."""
        return self._record.state

    def status(self, at: int | None = None) -> dict[str, Any]:
        """Return how far the run is, or was, as `secateur status --json` prints it."""
        return self._record.status(at)

    def population(self, at: int | None = None) -> tuple[Member, ...]:
        """Return the networks that the search breeds from, or bred from after `at` evaluations."""
        return self._record.population(at)

    def front(self) -> dict[str, Any]:
        """Return the Pareto front and the dense network, as `secateur front --json` prints them."""
        return self.results().front_as_json()

    def results(self) -> Results:
        """Return everything found so far; a ValueError before the dense network is measured."""
        return self._record.results()

    def report(self) -> tuple[Path, Path]:
        """Write `report.html` and `front.png` into the folder and return where they are."""
        from .reports.report import write_report

        return write_report(self.results(), self.path)

    def finetune(
        self,
        *picks: str | int,
        address: str | None = None,
        watcher: Watcher | None = None,
        **settings: Any,
    ) -> list[dict[str, Any]]:
        """Train networks of the complete run further and return them as `front` shows networks.

        Picks are ids, knee, fastest, most-accurate, or all of these; settings are those under
        `finetune` in the configuration; `address` is that of a Ray cluster, whose nodes must share
        the run's folder. See `cluster/training/finetune.py` for what is raised.
        """
        from .training.finetune import finetune_members

        changes = {f"finetune.{name}": value for name, value in settings.items()}
        chosen = [str(pick) for pick in picks]
        pairs = finetune_members(
            self._record, chosen, changes, watcher or Silent(), address=address
        )
        return [now.as_json() for _, now in pairs]

    def resume(self, *, address: str | None = None, watcher: Watcher | None = None) -> "Run":
        """Go on after any stop and return the run, complete; at once where it is so already.

        On this machine, or on the Ray cluster at an address, wherever it was worked on before. A
        folder that was lost leads to its journal again.
        RunBusy where another process works on it, RunFailed where it cannot go on.
        """
        self._record.journal.lead_here()
        if self.state != "complete":
            from .launch import go_on

            go_on(self._record, watcher or Silent(), address=address)
        return self


def launch(
    config: Config | Mapping[str, Any],
    run: str | Path | None = None,
    *,
    journal: str | None = None,
    artifacts: str | None = None,
    address: str | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> Run:
    """Run a search from the beginning and return it, complete.

    Args:
        config: a checked configuration, or plain values as in a YAML file.
        run: the folder to make; by default `runs/NAME-DATE-TIME`. It must not hold a run, unless
            `resume` is given and it is one of the same configuration, which goes on then.
        journal: the URL of a database to keep the journal in, rather than in the folder; see
            `cluster/storage/database.py`. Its password is kept nowhere: later calls find it as the
            database's own client does (PGPASSWORD, `~/.pgpass`), or get the URL again.
        artifacts: a folder or a URI, s3://BUCKET/FOLDER say, that keeps the run's files as well: a
            resume that finds its folder empty brings them back from there; see
            `cluster/storage/artifacts.py`.
        address: of a Ray cluster whose nodes measure, HEAD:6379 or auto on one of them; by default
            this machine measures.
        resume: go on where the folder holds the run already, or `journal` one that was begun in
            it and has lost its folder since.
        watcher: is told of the progress.

    Raises:
        ValueError: the configuration, the data or the weights are wrong; nothing was started.
        RunFailed: the run cannot go on; what was measured is kept and can be resumed.
    """
    if not isinstance(config, Config):
        config = check_config(dict(config), source="the configuration")
    directory = folder_for(config.name, run)
    artifacts = artifacts and absolute(artifacts)
    is_there = Journal.exists(directory)
    if is_there and not resume:
        raise ValueError(TAKEN.format(directory))
    if is_there or (resume and journal is not None and Journal.is_begun(directory, journal)):
        existing = _existing(directory, config, journal=journal, artifacts=artifacts)
        return existing.resume(address=address, watcher=watcher)
    from .launch import start

    start(config, directory, watcher or Silent(), url=journal, artifacts=artifacts, address=address)
    return open_run(directory, on=journal)


def _existing(
    directory: Path, config: Config, *, journal: str | None, artifacts: str | None
) -> Run:
    """Open the run of a folder, or refuse where it is not the one that is asked for."""
    is_elsewhere = Journal.is_elsewhere(directory) or not Journal.exists(directory)
    if journal is not None and not is_elsewhere:
        raise ValueError(f"{directory} keeps its journal in itself: leave out --journal")
    record = Record(directory, Journal.open(directory, on=journal))
    if record.journal.fact(METHOD) is not None:
        raise ValueError(
            f"{directory} holds a training, no search: choose another --run, or go on with it by: "
            f"secateur resume {directory}"
        )
    require_same(with_absolute_paths(config), record.config, directory)
    if (held := record.journal.fact(ELSEWHERE)) != artifacts:
        raise ValueError(f"--artifacts must be {held}, as {directory} has it, got {artifacts}")
    return Run(record)


def open_run(path: str | Path, *, on: str | None = None) -> Run:
    """Open an existing search to look at it or to go on with it.

    `on` is the URL of a database that holds its journal, or a copy of it, for this once.
    """
    found = opened(Path(path), on=on)
    if not isinstance(found, Run):
        raise ValueError(f"{path} is no search but a training: open it by secateur.open_training")
    return found


def opened(path: Path, *, on: str | None = None) -> Run | TrainingRun:
    """Open a search or a training, whichever a folder holds; `on` is as in `open_run`."""
    journal = Journal.open(path, on=on)
    if journal.fact(METHOD) is None:
        return Run(Record(path, journal))
    return TrainingRun(path, journal)
