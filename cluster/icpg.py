"""ICPG: lottery tickets of graph networks, drawn by the workers of a job; every stage is kept.

A run's folder holds the journal, `rounds/` with what each stage has left (`drawn.py`), the exported
`tickets/`, a table and a picture. A worker takes one unit (variant, seed, fold) after the other; a
run that goes on does so from the last stage of each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..actors.cores import available_cores
from ..methods.exported import build
from ..methods.icpg.fitting import Recipe
from ..methods.icpg.masker import Masker
from ..methods.icpg.rounds import Lottery, Plan
from ..methods.icpg.sources import load_task
from ..methods.icpg.task import Split, Task
from ..methods.import_path import resolve
from .checked import ConfigError, as_yaml
from .coordinator import RunFailed
from .drawn import Drawn
from .failures import failures_noted, make_folder
from .graph_config import GraphConfig, settled, with_absolute_root
from .graph_record import GraphRecord
from .journal import Journal
from .progress import Watcher
from .ray_cluster import ray_at, require_reachable
from .record import METHOD
from .rounds import DENSE, Row, Unit, rows
from .sitting import CONFIG
from .ticket_report import write_ticket_report
from .training import Scale, Worker, train_job
from .whole_file import write_whole

ICPG = "icpg"
JOB = "lottery"
NETWORKS = {
    "graph": "secateur.methods.icpg.networks:GraphClassifier",
    "node": "secateur.methods.icpg.networks:NodeClassifier",
}


@dataclass(frozen=True)
class LotteryPayload:
    """What a worker needs; it loads the graphs itself."""

    config: GraphConfig
    run: Path


def start(config: GraphConfig, directory: Path, watcher: Watcher, *, address: str | None) -> None:
    """Check everything, make the run's folder, and work until the run is complete."""
    require_reachable(address)
    watcher.say("loading graphs")
    task = _load(config)
    config = settled(with_absolute_root(config), task.level)
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


def units_of(config: GraphConfig) -> list[Unit]:
    """What there is to do, in the order in which workers take it: dense networks first."""
    settings = config.icpg
    folds = range(_folds(config))
    return [
        Unit(seed, fold, variant)
        for variant in (DENSE, *settings.variants)
        for seed in settings.seeds
        for fold in folds
    ]


def _folds(config: GraphConfig) -> int:
    return config.icpg.use or config.icpg.folds


def _load(config: GraphConfig) -> Task:
    return load_task(config.data.name, Path(config.data.root) if config.data.root else None)


def splits_of(config: GraphConfig, task: Task) -> list[Split]:
    """The splits that are run."""
    settings = config.icpg
    return task.splits(settings.folds, seed=0, selection=settings.selection)[: _folds(config)]


def _check(config: GraphConfig, task: Task) -> None:
    """Refuse what cannot be, before anything starts."""
    splits_of(config, task)
    network = build(*factory_of(config, task))
    if "ugs" in config.icpg.variants and not task.one_graph:
        raise ConfigError(
            f"icpg.variants: ugs learns a mask for every edge of one graph, {task.name} has "
            f"{len(task.graphs)}: leave it out"
        )
    batch = task.graphs.batch(torch.arange(min(2, len(task.graphs))))
    with torch.no_grad():
        weights = torch.full((batch.edges.shape[1],), 0.5)
        try:
            network.eval()(batch.features, batch.edges, edge_weight=weights, batch=batch.graph)
        except (TypeError, RuntimeError) as error:
            raise ConfigError(
                f"network.factory {config.network.factory}: must take (x, edge_index, "
                f"edge_weight=, batch=) of {batch.features.shape[1]} features: "
                f"{str(error).splitlines()[0]}"
            ) from error


def network_of(config: GraphConfig, task: Task) -> Callable[[], nn.Module]:
    """What makes the dense network, with the weights that chance gives it."""
    return partial(_made, *factory_of(config, task))


def _made(factory: str, arguments: dict[str, Any]) -> nn.Module:
    network: nn.Module = resolve(factory)(**arguments)
    return network


def factory_of(config: GraphConfig, task: Task) -> tuple[str, dict[str, Any]]:
    """The dense network's factory and arguments."""
    settings = config.network
    sizes = {"ins": task.graphs.features.shape[1], "classes": task.classes}
    if settings.factory is not None:
        return settings.factory, sizes | settings.arguments
    own = settings.model_dump(exclude={"factory", "arguments"}, exclude_none=True)
    return NETWORKS[task.level], sizes | own | settings.arguments


def masker_of(config: GraphConfig, task: Task) -> Callable[[], Masker]:
    """What makes a masker, with the weights that chance gives it."""
    return partial(Masker, **masker_arguments(config, task))


def masker_arguments(config: GraphConfig, task: Task) -> dict[str, Any]:
    """The masker's arguments."""
    own = config.masker.model_dump(exclude={"learning_rate"})
    plain = task.level == "node"
    return {"ins": task.graphs.features.shape[1], "plain": plain, **own}


def lottery_of(config: GraphConfig, task: Task, split: Split, unit: Unit) -> Lottery:
    """The lottery of one unit."""
    training, settings = config.training, config.icpg
    assert training.epochs
    assert training.learning_rate
    assert config.masker.learning_rate
    recipe = Recipe(
        training.epochs,
        training.batch,
        training.learning_rate,
        config.masker.learning_rate,
        training.weight_decay or 0.0,
        training.precision,
    )
    return Lottery(
        task,
        split,
        network_of(config, task),
        masker_of(config, task),
        recipe,
        recipe,
        Plan(settings.edges, settings.weights, settings.rule, settings.pairing),
        "icpg" if unit.variant == DENSE else unit.variant,  # type: ignore[arg-type]
        seed=1000 * unit.seed + unit.fold,
    )


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
    watcher.say("writing the report")
    write_ticket_report(GraphRecord(path, journal))
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
    task = _load(config)
    splits = splits_of(config, task)
    units = units_of(config)
    for unit in units[place.rank :: place.workers]:
        lottery = lottery_of(config, task, splits[unit.fold], unit)
        draw_all(lottery, Drawn(payload.run, unit), config.icpg.rounds)
    worker.report({"epoch": 1, "units": len(units)}, lambda _: None)


def draw_all(lottery: Lottery, drawn: Drawn, rounds: int) -> None:
    """Play every round of a unit that is not over yet."""
    kept, soft_s = lottery.begin(), 0.0
    dense = drawn.unit.variant == DENSE
    for number in (0,) if dense else range(1, rounds + 1):
        if number:
            known = drawn.kept(number)
            if known is None:
                began = time.monotonic()
                kept, masker = lottery.draw(kept)
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
