"""Run commands: what runs tell - status, runs, front, report."""

import json
from pathlib import Path

import click

from .options import json_option, on_option, run_argument


@click.command()
@run_argument
@on_option
@click.option("--at", type=click.IntRange(min=1), help="Tell of the moment after N evaluations.")
@json_option
def status(run: Path, on: str | None, at: int | None, as_json: bool) -> None:
    """Tell how far RUN is."""
    from ..run import Run, opened
    from .printed import print_status

    found = opened(run, on=on)
    if isinstance(found, Run):
        values = found.status(at)
    elif at is None:
        values = found.status()
    else:
        raise click.UsageError(f"--at is for a search, {run} is a training")
    if as_json:
        click.echo(json.dumps(values))
        return
    print_status(values)


@click.command()
@click.argument("url")
@json_option
def runs(url: str, as_json: bool) -> None:
    """List the runs whose journals are in the database at URL."""
    from ..runs.record import Record
    from ..storage.journal import Journal

    rows = [Record(journal.folder, journal).summary() for journal in Journal.all_in(url)]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        if "reason" in row:
            click.echo(f"{row['state']:<23} {row['folder']}: {row['reason']}")
            continue
        click.echo(f"{row['state']:<9} {row['evaluations']:>6}/{row['budget']:<6} {row['folder']}")


@click.command()
@run_argument
@click.option(
    "--with",
    "trainings",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A run of `secateur train clad`, whose network competes; may be given several times.",
)
@json_option
def front(run: Path, trainings: tuple[Path, ...], as_json: bool) -> None:
    """Print the Pareto front of RUN, from the fastest network to the slowest, or its tickets."""
    from ..lottery.graph_record import GraphRecord
    from ..runs.record import METHOD, Record
    from ..storage.journal import Journal
    from .printed import print_front
    from .printed_tickets import print_tickets

    journal = Journal.open(run)
    if journal.fact(METHOD) == "icpg":
        if trainings:
            raise click.UsageError(f"--with is for a search, {run} has drawn tickets")
        if as_json:
            click.echo(json.dumps(GraphRecord(run, journal).tickets().as_json()))
        else:
            print_tickets(run)
        return
    record = Record(run, journal)
    results = record.results()
    if trainings:
        from ..exports.trained import trained

        first = results.members[-1].id + 1
        results = record.results(
            [
                trained(path, record, results.dense, first + place)
                for place, path in enumerate(trainings)
            ]
        )
    if as_json:
        click.echo(json.dumps(results.front_as_json()))
    else:
        print_front(run, results)


@click.command()
@run_argument
@click.option(
    "--beside",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another run, whose hypervolume is drawn too; may be given several times.",
)
def report(run: Path, beside: tuple[Path, ...]) -> None:
    """Write report.html and a picture into RUN."""
    from ..lottery.graph_record import GraphRecord
    from ..lottery.ticket_report import write_ticket_report
    from ..reports.report import write_report
    from ..runs.record import METHOD, Record
    from ..storage.journal import Journal

    journal = Journal.open(run)
    method = journal.fact(METHOD)
    if method is not None and beside:
        raise click.UsageError(f"--beside is for a search, {run} is a training")
    if method is None:
        others = [(path, Record(path).results()) for path in beside]
        written = write_report(Record(run, journal).results(), run, others)
    elif method == "icpg":
        written = write_ticket_report(GraphRecord(run, journal))
    else:
        from ..training.training_report import write_training_report  # imports Ray Train

        written = write_training_report(Record(run, journal))
    for path in written:
        click.echo(path)
