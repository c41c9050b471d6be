"""ICPG: lottery tickets of graph networks, drawn by the workers of a job; every stage is kept.

A run's folder holds the journal, `rounds/` with what each stage has left (`drawn.py`), the exported
`tickets/`, a table and a picture. A worker takes one unit (variant, seed, fold) after the other; a
run that goes on does so from the last stage of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from ...methods.icpg.task import Task
from ...methods.models.exported import build
from ..on_ray.ray_cluster import ray_at, require_reachable
from ..runs.coordinator import RunFailed
from ..runs.failures import failures_noted, make_folder
from ..runs.progress import Watcher
from ..runs.record import METHOD
from ..runs.sitting import CONFIG
from ..settings.checked import ConfigError, as_yaml
from ..settings.graph_config import GraphConfig, settled, with_absolute_paths
from ..storage.journal import Journal
from ..storage.whole_file import write_whole
from ..training.train_job import Scale, Worker, places, train_job
from .candidates import CANDIDATES, Lost, found_files, read_found
from .drawn import Drawn
from .graph_record import MASKERS_REMOVE, GraphRecord, lost_lines
from .lottery import factory_of, lottery_of, plan_of, splits_of, task_of, units_of
from .lottery_search import work
from .rounds import (
    DENSE,
    FAILED,
    TRANSFER,
    failed_files,
    read_failed,
    read_row,
    row_files,
    rows,
)
from .stages import draw_all
from .ticket_export import hand_out
from .transfer import Transfer

ICPG = "icpg"
JOB = "lottery"


@dataclass(frozen=True)
class LotteryPayload:
    """What a worker needs; it loads the graphs itself."""

    config: GraphConfig
    run: Path


def start(config: GraphConfig, directory: Path, watcher: Watcher, *, address: str | None) -> None:
    """Check everything, make the run's folder, and work until the run is complete."""
    require_reachable(address)
    watcher.say("loading graphs")
    task = task_of(config)
    config = settled(with_absolute_paths(config), task.level, published=task.split is not None)
    _check(config, task)
    make_folder(directory)
    facts: dict[str, Any] = {"config": config.model_dump(mode="json"), METHOD: ICPG}
    if config.icpg.maskers_of is not None:
        facts[MASKERS_REMOVE] = GraphRecord(Path(config.icpg.maskers_of)).config.icpg.edges
    journal = Journal.create(directory, facts)
    with journal.held(), failures_noted(directory, journal):
        journal.sit_down()
        write_whole(directory / CONFIG, as_yaml(config).encode())
        _work(directory, journal, watcher, address)


def config_of(path: Path, journal: Journal) -> GraphConfig:
    """The configuration that a run was launched with, and the authors' settings in it."""
    return GraphRecord(path, journal).config


def go_on(path: Path, journal: Journal, watcher: Watcher, *, address: str | None) -> None:
    """Work on an existing run until it is complete."""
    if journal.fact("completed"):
        return
    require_reachable(address)
    with journal.held(), failures_noted(path, journal):
        journal.note("failed", None)
        journal.sit_down()
        _work(path, journal, watcher, address)


def status(path: Path, journal: Journal) -> dict[str, Any]:
    """Return how far a run is."""
    config = config_of(path, journal)
    told: dict[str, Any] = {
        "state": journal.state, "method": ICPG, "elapsed_s": journal.elapsed_seconds()
    }  # fmt: skip
    if lost := lost_lines(path):
        told["lost"] = lost
    if config.search is not None:
        return told | {"evaluations": len(found_files(path)), "budget": config.search.evaluations}
    units = units_of(config)
    wanted = sum(1 if unit.variant == DENSE else config.icpg.rounds for unit in units)
    return told | {"units": len(units), "rounds": f"{len(rows(path))}/{wanted}"}


def _check(config: GraphConfig, task: Task) -> None:
    """Refuse what cannot be, before anything starts."""
    splits_of(config, task)
    for unit in units_of(config):
        if unit.variant == TRANSFER:
            Transfer(config, task, unit)
    if "ugs" in config.icpg.variants and not task.one_graph:
        raise ConfigError(
            f"icpg.variants: ugs learns a mask for every edge of one graph, {task.name} has "
            f"{len(task.graphs)}: leave it out"
        )
    batch = task.graphs.batch(torch.arange(min(2, len(task.graphs))))
    weights = torch.full((batch.edges.shape[1],), 0.5)
    factory, arguments = factory_of(config, task)
    try:
        network = build(factory, arguments).eval()
        with torch.no_grad():
            network(batch.features, batch.edges, edge_weight=weights, batch=batch.graph)
    except (TypeError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"network: {factory} must take {', '.join(arguments)}, and its network (x, edge_index, "
            f"edge_weight=, batch=): {str(error).splitlines()[0]}"
        ) from error


def _work(path: Path, journal: Journal, watcher: Watcher, address: str | None) -> None:
    config = config_of(path, journal)
    searches = config.search is not None
    known = set(_told_files(path, searches))

    def look() -> None:
        for file in _told_files(path, searches):
            if file not in known:
                known.add(file)
                watcher.say(_line(file))

    with ray_at(address, cpus=_scale(config).cpus):
        scale = _scale(config)  # by the nodes that are there
        watcher.say(f"drawing tickets on {scale.workers} workers")
        try:
            train_job(
                lottery_loop, LotteryPayload(config, path), path / "jobs" / JOB, scale,
                look=look,
            )  # fmt: skip
        except RuntimeError as error:
            raise RunFailed(
                f"the lottery failed: {error}; what was drawn is safe, go on from the last stage "
                f"with: secateur resume {path}"
            ) from error
    watcher.say("timing the tickets, and handing them out")
    hand_out(GraphRecord(path, journal), task_of(config))
    journal.note("completed", True)


def _told_files(path: Path, searches: bool) -> Iterator[Path]:
    """The file of every round and unit that is over, or of every candidate."""
    yield from found_files(path) if searches else (*row_files(path), *failed_files(path))


def _line(file: Path) -> str:
    """What there is to tell of a round, unit or candidate that is over."""
    if file.name == FAILED:
        return str(read_failed(file))
    if file.parent.name == CANDIDATES:
        one = read_found(file)
        if isinstance(one, Lost):
            return str(one)
        name = f"candidate {one.number}, {one.origin}"
        edges, weights, score = 1 - one.edges, 1 - one.weights, fmean(one.scores)
    else:
        row = read_row(file)
        name = f"{row.variant}, seed {row.seed}, fold {row.fold}, round {row.round}"
        edges, weights, score = row.edges_gone, row.weights_gone, row.test
    return (
        f"{name}: {100 * edges:.1f} % of the edges and {100 * weights:.1f} % of the weights gone, "
        f"score {100 * score:.2f} %"
    )


def _scale(config: GraphConfig) -> Scale:
    training = config.training
    workers = (
        max(1, places(training.threads)) if isinstance(training.workers, str) else training.workers
    )
    at_once = config.search.window if config.search else len(units_of(config))
    return Scale.of(
        min(workers, at_once),
        training.least_workers,
        training.threads,
        gpu=False,
        section="training",
    )


def lottery_loop(payload: LotteryPayload, worker: Worker) -> None:
    """Work through every unit whose turn is this worker's."""
    config, place = payload.config, worker.place
    task = task_of(config)
    if config.search is not None:
        work(config, task, payload.run, rank=place.rank, workers=place.workers)
        worker.report({"epoch": 1}, lambda _: None)
        return
    splits = splits_of(config, task)
    units = units_of(config)
    for unit in units[place.rank :: place.workers]:
        lottery = lottery_of(config, task, splits[unit.fold], unit, plan_of(config, unit.variant))
        draw = Transfer(config, task, unit).draw if unit.variant == TRANSFER else lottery.draw
        draw_all(lottery, draw, Drawn(payload.run, unit), config.icpg.rounds)
    worker.report({"epoch": 1, "units": len(units)}, lambda _: None)
