"""ICPG: lottery tickets of graph networks, drawn by the workers of a job; every stage is kept.

A run's folder holds the journal, `rounds/` with what each stage has left (`drawn.py`), the exported
`tickets/`, a table and a picture. A worker takes one unit (variant, seed, fold) after the other; a
run that goes on does so from the last stage of each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..actors.cores import available_cores
from ..methods.exported import build
from ..methods.icpg.masker import Masker
from ..methods.icpg.rounds import Kept, Lottery
from ..methods.icpg.task import Task
from .checked import ConfigError, as_yaml
from .coordinator import RunFailed
from .drawn import Drawn
from .failures import failures_noted, make_folder
from .graph_config import GraphConfig, settled, with_absolute_paths
from .graph_record import GraphRecord
from .journal import Journal
from .lottery import factory_of, lottery_of, splits_of, task_of, units_of
from .progress import Watcher
from .ray_cluster import ray_at, require_reachable
from .record import METHOD
from .rounds import DENSE, TRANSFER, Row, rows
from .sitting import CONFIG
from .ticket_export import hand_out
from .training import Scale, Worker, train_job
from .transfer import Transfer
from .whole_file import write_whole

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
    config = settled(with_absolute_paths(config), task.level)
    _check(config, task)
    make_folder(directory)
    write_whole(directory / CONFIG, as_yaml(config).encode())
    facts = {"config": config.model_dump(mode="json"), METHOD: ICPG}
    journal = Journal.create(directory, facts)
    with journal.held(), failures_noted(directory, journal):
        journal.sit_down()
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
    units = units_of(config)
    wanted = sum(1 if unit.variant == DENSE else config.icpg.rounds for unit in units)
    return {
        "state": journal.state,
        "method": ICPG,
        "units": len(units),
        "rounds": f"{len(rows(path))}/{wanted}",
        "elapsed_s": journal.elapsed_seconds(),
    }


def _check(config: GraphConfig, task: Task) -> None:
    """Refuse what cannot be, before anything starts."""
    splits_of(config, task)
    if TRANSFER in config.icpg.variants:
        Transfer(config, task, units_of(config)[0])
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
    scale = _scale(config)
    known = {(row.variant, row.seed, row.fold, row.round) for row in rows(path)}

    def look() -> None:
        for row in rows(path):
            key = (row.variant, row.seed, row.fold, row.round)
            if key not in known:
                known.add(key)
                watcher.say(
                    f"{row.variant}, seed {row.seed}, fold {row.fold}, round {row.round}: "
                    f"{100 * row.edges_gone:.1f} % of the edges and {100 * row.weights_gone:.1f} % "
                    f"of the weights gone, score {100 * row.test:.2f} %"
                )

    watcher.say(f"drawing tickets on {scale.workers} workers")
    with ray_at(address, cpus=scale.cpus):
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


def _scale(config: GraphConfig) -> Scale:
    training = config.training
    room = max(1, available_cores() // training.threads)
    workers = room if isinstance(training.workers, str) else training.workers
    return Scale.of(
        min(workers, len(units_of(config))), training.least_workers, training.threads, gpu=False
    )


def lottery_loop(payload: LotteryPayload, worker: Worker) -> None:
    """Work through every unit whose turn is this worker's."""
    config, place = payload.config, worker.place
    task = task_of(config)
    splits = splits_of(config, task)
    units = units_of(config)
    for unit in units[place.rank :: place.workers]:
        lottery = lottery_of(config, task, splits[unit.fold], unit)
        draw = Transfer(config, task, unit).draw if unit.variant == TRANSFER else lottery.draw
        draw_all(lottery, draw, Drawn(payload.run, unit), config.icpg.rounds)
    worker.report({"epoch": 1, "units": len(units)}, lambda _: None)


Draw = Callable[[Kept], tuple[Kept, Masker | None]]
"""Makes what the next round keeps."""


def draw_all(lottery: Lottery, draw: Draw, drawn: Drawn, rounds: int) -> None:
    """Play every round of a unit that is not over yet."""
    kept, soft_s = lottery.begin(), 0.0
    dense = drawn.unit.variant == DENSE
    for number in (0,) if dense else range(1, rounds + 1):
        if number:
            known = drawn.kept(number)
            if known is None:
                began = time.monotonic()
                kept, masker = draw(kept)
                soft_s = time.monotonic() - began
                drawn.keep(kept, masker, soft_s)
            else:
                kept, _, soft_s = known
        if drawn.is_played(number):
            continue
        began = time.monotonic()
        fitted, network = lottery.play(kept)
        row = Row(
            drawn.unit.variant,
            drawn.unit.seed,
            drawn.unit.fold,
            number,
            kept.edges_gone,
            kept.weights_gone,
            fitted.epoch,
            fitted.validation,
            fitted.test,
            fitted.best_test,
            soft_s,
            time.monotonic() - began,
        )
        handed_out = drawn.unit.variant in (DENSE, ICPG)
        drawn.played(number, row, network if handed_out else None)
