"""Printed tickets: what a lottery has found, as a person reads it on a terminal."""

from pathlib import Path

import click
from rich.table import Table

from ..lottery.graph_record import PICTURE, REPORT, TICKETS, GraphRecord
from ..lottery.tickets import Ticket
from .printed import console


def print_tickets(path: Path) -> None:
    """Print every round of every variant beside the dense network, and where the files are."""
    record = GraphRecord(path)
    found = record.tickets()
    name = record.config.data.name
    table = Table(title=f"Tickets of {path}: {name}, folds x seeds: {found.count}")
    for title in (
        "variant", _kind(record), "edges gone (%)", "weights gone (%)", "score (%)", "vs dense",
        "vs random", "best epoch's (%)", "time", "thinning",
    ):  # fmt: skip
        table.add_column(title, justify="left" if title == "variant" else "right")
    dense, best = _score(found.dense, found.dense_deviation), f"{100 * found.dense_best_test:.1f}"
    table.add_row("dense", "", "", "", dense, "", "", best, "1.00x", "")
    for ticket in found.tickets:
        table.add_row(*_cells(ticket), style="bold" if ticket.wins else "")
    console().print(table)
    deepest = found.deepest
    if deepest is None:
        click.echo("winning   none: no ticket does as well as the dense network")
    else:
        click.echo(
            f"winning   down to {_kind(record)} {deepest.round}: {100 * deepest.edges_gone:.1f} % "
            f"of the edges and {100 * deepest.weights_gone:.1f} % of the weights gone"
        )
    for line in record.lost:
        click.echo(f"lost      {line}")
    for kind, file in (("report", REPORT), ("picture", PICTURE)):
        if (path / file).exists():
            click.echo(f"{kind:<9} {path / file}")
    for folder in sorted((path / TICKETS).glob("*")):
        click.echo(f"ticket    {folder}")


def _kind(record: GraphRecord) -> str:
    return "candidate" if record.config.search else "round"


def _cells(one: Ticket) -> list[str]:
    return [
        one.variant,
        str(one.round),
        _gone(one.edges_gone, one.nominal_edges),
        _gone(one.weights_gone, one.nominal_weights),
        _score(one.score, one.deviation),
        f"{100 * one.gain:+.1f}",
        "" if one.over_random is None else f"{100 * one.over_random:+.1f}",
        f"{100 * one.best_test:.1f}",
        "" if one.time is None else f"{one.time.value:.2f}x",
        "" if one.thinning is None else f"{one.thinning.value:.2f}x",
    ]


def _score(mean: float, deviation: float) -> str:
    return f"{100 * mean:.1f} ± {100 * deviation:.1f}"


def _gone(measured: float, nominal: float) -> str:
    """What is gone, and in brackets what should be where that is another number."""
    shown, wanted = f"{100 * measured:.1f}", f"{100 * nominal:.1f}"
    return shown if shown == wanted else f"{shown} ({wanted})"
