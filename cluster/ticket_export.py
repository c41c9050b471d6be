"""Ticket export: a lottery's tickets timed beside the dense network, and handed out."""

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from ..methods.exported import build
from ..methods.icpg.graphs import Batch
from ..methods.icpg.task import Split, Task
from ..methods.icpg.ticket import Drawing, save, small
from ..methods.icpg.timing import relative_time
from ..search.candidate import Estimate
from .drawn import Drawn
from .graph_config import GraphConfig
from .graph_record import TICKETS, TIMES, GraphRecord
from .lottery import factory_of, masker_arguments, plan_of, splits_of
from .rounds import DENSE, Row, Unit, rows
from .ticket_report import write_ticket_report

SECONDS = 1.0
"""How long each ticket is timed."""

TIMED_BATCH = 128


def hand_out(record: GraphRecord, task: Task) -> None:
    """Time ICPG's tickets, write the deepest winning one and the best one, and the report.

    What is timed and handed out of a round is one network: that of the fold that validated best.
    """
    every = [row for row in rows(record.path) if row.variant == "icpg"]
    if every:
        torch.set_num_threads(record.config.training.threads)
        splits = splits_of(record.config, task)
        numbers = sorted({row.round for row in every})
        chosen = {number: _best(every, number) for number in numbers}
        times = {
            number: _time(record, task, splits[row.fold], row) for number, row in chosen.items()
        }
        record.journal.note(TIMES, {str(number): asdict(one) for number, one in times.items()})
        found = record.tickets()
        winning = [one for one in found.of("icpg") if one.wins]
        picks = {"best": max(winning or found.of("icpg"), key=lambda one: one.score).round}
        if found.deepest is not None:
            picks["deepest"] = found.deepest.round
        for name, number in picks.items():
            _export(record, task, chosen[number], times[number], name)
    write_ticket_report(record)


def _best(every: list[Row], number: int) -> Row:
    return max((row for row in every if row.round == number), key=lambda row: row.validation)


def drawing_of(record: GraphRecord, task: Task, row: Row) -> Drawing:
    """What the ticket of a round, seed and fold is made of."""
    config: GraphConfig = record.config
    drawn = Drawn(record.path, Unit(row.seed, row.fold, row.variant))
    maskers = {}
    for number in range(1, row.round + 1):
        known = drawn.kept(number)
        assert known is not None
        kept, masker, _ = known
        if masker:
            maskers[number] = masker
    factory, arguments = factory_of(config, task)
    return Drawing(
        factory,
        arguments,
        drawn.network(row.round),
        kept,
        maskers,
        masker_arguments(config, task),
        plan_of(config, row.variant),
        task.seen,
    )


def _time(record: GraphRecord, task: Task, split: Split, row: Row) -> Estimate:
    drawing = drawing_of(record, task, row)
    network, inputs = small(drawing)
    dense: nn.Module = build(drawing.factory, drawing.arguments).eval()
    thin = task.without_edges(drawing.kept.edges)
    return relative_time(
        (dense, _seen(task, split)),
        (network, [_narrowed(batch, inputs) for batch in _seen(thin, split)]),
        seconds=SECONDS,
    )


def _seen(task: Task, split: Split) -> list[Batch]:
    return [batch for batch, _ in task.batches(split, "test", TIMED_BATCH)]


def _narrowed(batch: Batch, inputs: torch.Tensor) -> Batch:
    return Batch(batch.features[:, inputs].contiguous(), batch.edges, batch.graph, batch.labels)


def _export(record: GraphRecord, task: Task, row: Row, time: Estimate, name: str) -> None:
    dense = next(
        one
        for one in rows(record.path)
        if one.variant == DENSE and (one.seed, one.fold) == (row.seed, row.fold)
    )
    found: dict[str, Any] = {
        "run": record.config.name,
        "method": "icpg",
        "data": task.name,
        "seed": row.seed,
        "fold": row.fold,
        "score": row.test,
        "dense_score": dense.test,
        "time": asdict(time),
    }
    save(record.path / TICKETS / name, drawing_of(record, task, row), found)
