"""Sitting: a stretch of work on a run, from when it is begun or gone on with until it stops."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from ...methods.data.datasets import Dataset
from ...methods.pruning.plan import Plan
from ..settings.checked import as_yaml
from ..settings.config import Config
from ..storage.journal import Journal
from ..storage.whole_file import write_whole
from .failures import failures_noted, make_folder
from .progress import Watcher
from .record import FINETUNED, MISSING, Record
from .workpiece import (
    WORKPIECE,
    Workpiece,
    finish_workpiece,
    load_data,
    load_network,
    open_workpiece,
    plan_network,
    require_learned,
)

CONFIG = "config.yaml"

Check = Callable[[Dataset, nn.Module, Plan], None]


@contextmanager
def begun(
    config: Config,
    directory: Path,
    watcher: Watcher,
    facts: Mapping[str, Any],
    *,
    url: str | None = None,
    check: Check = lambda _dataset, _network, _plan: None,
) -> Iterator[tuple[Record, Workpiece]]:
    """Make a run in a folder once all is checked; yield it, held, and what it works on.

    The journal begins with the configuration and `facts`, in the folder or in the database at
    `url`. Why the run failed, if it does, is noted.
    """
    watcher.say("loading data and network")
    dataset = load_data(config)
    network, trained = load_network(config, None)
    plan = plan_network(config, network, dataset)
    require_learned(config, plan)  # a run that goes on has its rankings
    check(dataset, network, plan)
    make_folder(directory)
    known = {
        "config": config.model_dump(mode="json"),
        "groups": [group.name for group in plan.groups],
        **facts,
    }
    run = Record(directory, Journal.create(directory, known, url=url))
    with run.journal.held(), failures_noted(run.path, run.journal):
        run.journal.sit_down()
        write_whole(directory / CONFIG, as_yaml(config).encode())
        workpiece = finish_workpiece(
            config, directory, dataset, network, plan, trained=trained, say=watcher.say
        )
        run.artifacts.keep(*(directory / name for name in WORKPIECE))
        yield run, workpiece


@contextmanager
def continued(run: Record, watcher: Watcher, *files: str) -> Iterator[Workpiece]:
    """Hold an existing run, have its files back, and yield what it works on.

    `files` names what it needs beside the dense network and its fine-tuned ones.
    """
    with run.journal.held(), failures_noted(run.path, run.journal):
        for fact in ("failed", MISSING):
            run.journal.note(fact, None)
        run.journal.sit_down()
        watcher.say("loading data and network")
        make_folder(run.path)
        run.artifacts.bring_back([*WORKPIECE, FINETUNED, *files])
        workpiece = open_workpiece(run.config, run.path, watcher.say)
        run.artifacts.keep(*(run.path / name for name in WORKPIECE))
        yield workpiece
