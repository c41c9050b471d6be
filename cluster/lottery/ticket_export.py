"""Ticket export: a lottery's tickets timed beside the dense network, and handed out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from ...methods.icpg.graphs import Batch
from ...methods.icpg.rounds import Plan
from ...methods.icpg.task import Split, Task
from ...methods.icpg.ticket import Drawing, built_maskers, save, small, thinned
from ...methods.icpg.timing import relative_thinning, relative_time
from ...methods.models.exported import build
from ...search.candidate import Estimate
from .candidates import every_found
from .drawn import Drawn
from .graph_record import THINNING, TICKETS, TIMES, GraphRecord
from .lottery import factory_of, masker_arguments, plan_of, splits_of
from .lottery_search import beginning, steps_of
from .rounds import DENSE, Unit, rows
from .ticket_report import write_ticket_report
from .tickets import Ticket

SECONDS = 1.0
"""How long each ticket is timed."""

TIMED_BATCH = 128


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ticket lies: its plan, the folder of each of its rounds, and how well it does."""

    plan: Plan
    units: tuple[Unit, ...]
    score: float
    dense_score: float


def hand_out(record: GraphRecord, task: Task) -> None:
    """Time the run's own tickets, write the best and the deepest winning one, and the report.

    The best is chosen by validation alone, so that the test part says how well it does.

    Of each ticket one network is timed and handed out: of the fold that validated best, or of the
    first one where a search has found it.
    """
    places = _searched(record) if record.config.search else _drawn(record)
    if places:
        torch.set_num_threads(record.config.training.threads)
        splits = splits_of(record.config, task)
        times, thinning = {}, {}
        for number, place in places.items():
            drawing, split = drawing_of(record, task, place), splits[place.units[0].fold]
            times[number] = _time(drawing, task, split)
            thinning[number] = _thinning(drawing, task, split)
        for fact, told in ((TIMES, times), (THINNING, thinning)):
            record.journal.note(fact, {str(number): asdict(one) for number, one in told.items()})
        found = record.tickets()
        for name, pick in (("best", found.best), ("deepest", found.deepest)):
            if pick is not None:
                _export(record, task, name, places[pick.round], pick)
    write_ticket_report(record, state="complete")


def _drawn(record: GraphRecord) -> Mapping[int, Place]:
    """The place of each round of ICPG."""
    every = rows(record.path)
    dense = {(row.seed, row.fold): row.test for row in every if row.variant == DENSE}
    mine = [row for row in every if row.variant == "icpg" and (row.seed, row.fold) in dense]
    plan, found = plan_of(record.config, "icpg"), {}
    for number in sorted({row.round for row in mine}):
        among = (row for row in mine if row.round == number)
        best = max(among, key=lambda row: row.validation)
        units = (Unit(best.seed, best.fold, "icpg"),) * number
        found[number] = Place(plan, units, best.test, dense[best.seed, best.fold])
    return found


def _searched(record: GraphRecord) -> Mapping[int, Place]:
    """The place of each candidate but the dense network."""
    settings, every = record.config.icpg, every_found(record.path)
    if not every or every[0].number:  # the dense network is lost
        return {}
    found = {}
    for one in every[1:]:
        steps = steps_of(one.genome)
        units = tuple(
            Unit(settings.seeds[0], 0, beginning(steps[:number]))
            for number in range(1, len(steps) + 1)
        )
        plan = Plan(steps, settings.rule, settings.pairing)
        found[one.number] = Place(plan, units, one.scores[0], every[0].scores[0])
    return found


def drawing_of(record: GraphRecord, task: Task, place: Place) -> Drawing:
    """What a ticket is made of."""
    maskers = {}
    for number, unit in enumerate(place.units, start=1):
        drawn = Drawn(record.path, unit)
        known = drawn.kept(number)
        assert known is not None
        kept, masker, _ = known
        if masker:
            maskers[number] = masker
    factory, arguments = factory_of(record.config, task)
    return Drawing(
        factory,
        arguments,
        drawn.network(len(place.units)),
        kept,
        maskers,
        masker_arguments(record.config, task),
        place.plan,
        task.seen,
    )


def _time(drawing: Drawing, task: Task, split: Split) -> Estimate:
    network, inputs = small(drawing)
    dense: nn.Module = build(drawing.factory, drawing.arguments).eval()
    thin = task.without_edges(drawing.kept.edges)
    return relative_time(
        (dense, _seen(task, split)),
        (network, [_narrowed(batch, inputs) for batch in _seen(thin, split)]),
        seconds=SECONDS,
    )


def _thinning(drawing: Drawing, task: Task, split: Split) -> Estimate:
    if not drawing.maskers:
        return Estimate.exact(0.0)
    dense: nn.Module = build(drawing.factory, drawing.arguments).eval()
    maskers, batches = built_maskers(drawing), _seen(task, split)

    def thin() -> None:
        for batch in batches:
            thinned(batch.graphs, maskers, drawing.plan)

    return relative_thinning((dense, batches), thin)


def _seen(task: Task, split: Split) -> list[Batch]:
    return [batch for batch, _ in task.batches(split, "test", TIMED_BATCH)]


def _narrowed(batch: Batch, inputs: torch.Tensor) -> Batch:
    return Batch(batch.features[:, inputs].contiguous(), batch.edges, batch.graph, batch.labels)


def _export(record: GraphRecord, task: Task, name: str, place: Place, ticket: Ticket) -> None:
    found: dict[str, Any] = {
        "run": record.config.name,
        "method": "icpg",
        "data": task.name,
        "seed": place.units[0].seed,
        "fold": place.units[0].fold,
        "score": place.score,
        "dense_score": place.dense_score,
        "time": ticket.time and asdict(ticket.time),
        "thinning": ticket.thinning and asdict(ticket.thinning),
    }
    save(record.path / TICKETS / name, drawing_of(record, task, place), found)
