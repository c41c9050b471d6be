"""Command line: every `secateur` command."""

import json
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console

from ..settings.config import CriterionName, read_config
from .job_commands import attach, stop, submit
from .options import (
    address_option,
    artifacts_option,
    image_shape,
    journal_option,
    json_option,
    model_options,
    on_option,
    overrides,
    require_new,
    run_argument,
    set_option,
    whole_numbers,
)
from .profile_commands import compare, profile
from .train_commands import train

INTERRUPTED = 130
CRITERIA = get_args(CriterionName)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A run is a folder. Whatever stops it, `secateur resume RUN` goes on where it was.",
)
@click.version_option(package_name="secateur")
@click.option("--debug", is_flag=True, expose_value=False, help="Show an error's traceback.")
def cli() -> None:
    """Prune neural networks for the hardware they must run on.

    Searches for the Pareto front of error, measured latency and memory, and exports the networks
    on it as ONNX and safetensors.
    """


@cli.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Folder to make for the run.")
@click.option("--evaluations", type=int, help="Budget: candidates to measure.")
@click.option("--evaluators", type=int, help="Processes that measure accuracy.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@click.option("--data-root", type=click.Path(), help="Folder with data and weights.")
@set_option
@journal_option
@artifacts_option
@click.option("--resume", is_flag=True, help="Go on where --run holds the run already.")
@address_option
def search(
    config: Path | None,
    run: Path | None,
    evaluations: int | None,
    evaluators: int | None,
    seed: int | None,
    data_root: str | None,
    sets: tuple[str, ...],
    journal: str | None,
    artifacts: str | None,
    resume: bool,
    address: str | None,
) -> None:
    """Search with the YAML file CONFIG; without one, prune a network for handwritten digits."""
    from ..run import launch
    from ..runs.progress import watching
    from .printed import print_files, print_front

    given = {
        "search.evaluations": evaluations,
        "workers.evaluators": evaluators,
        "search.seed": seed,
        "data.root": data_root,
    }
    checked = read_config(config, overrides(sets, given))
    with watching(Console(stderr=True), checked.quantities) as watcher:
        finished = launch(
            checked,
            run,
            journal=journal,
            artifacts=artifacts,
            address=address,
            resume=resume,
            watcher=watcher,
        )
    print_front(finished.path, finished.results())
    print_files(finished.path)


@cli.command()
@run_argument
@on_option
@address_option
def resume(run: Path, on: str | None, address: str | None) -> None:
    """Go on with RUN after any stop, a kill or a power cut included."""
    from ..run import Run, opened
    from ..runs.progress import watching
    from .printed import print_files, print_front, print_trained
    from .printed_tickets import print_tickets

    found = opened(run, on=on)
    if found.state == "complete":
        found.resume()  # its folder may have been lost
        click.echo(f"{run} is complete: nothing to resume")
        return
    shown = found.config.quantities if isinstance(found, Run) else ()
    with watching(Console(stderr=True), shown) as watcher:
        found.resume(address=address, watcher=watcher)
    if isinstance(found, Run):
        print_front(found.path, found.results())
        print_files(found.path)
    elif found.method == "icpg":
        print_tickets(found.path)
    else:
        print_trained(found.path, found.status())


@cli.command()
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


@cli.command()
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


@cli.command()
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


@cli.command()
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


@cli.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--address", default="auto", show_default=True, help="Ray cluster: HEAD:6379, or auto."
)
@click.pass_context
def doctor(context: click.Context, config: Path | None, address: str) -> None:
    """Tell what a Ray cluster has for a search, with CONFIG for that one, and what to do.

    The exit code is 1 where something is to be looked at.
    """
    from ..on_ray.doctor import examine
    from ..on_ray.ray_cluster import ray_at

    checked = read_config(config, {}) if config else None
    with ray_at(address, cpus=0):
        findings = list(examine(checked))
    for finding in findings:
        click.echo(
            f"ok    {finding.seen}" if finding.well else f"look  {finding.seen}: {finding.advice}"
        )
    if not all(finding.well for finding in findings):
        context.exit(1)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="A data set: cifar10, digits or an import path.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the data.")
@click.option("--split", type=click.Choice(["search", "final"]), default="final", show_default=True)
@json_option
def evaluate(directory: Path, data: str, data_root: Path | None, split: str, as_json: bool) -> None:
    """Measure the accuracy of the exported network in DIRECTORY, by PyTorch and by ONNX Runtime."""
    from ...methods.models.evaluation import evaluate as measure

    values = measure(directory, data=data, root=data_root, split=split)
    if as_json:
        click.echo(json.dumps(values))
        return
    click.echo(f"{values['images']} images of {data}, {split} split")
    click.echo(f"PyTorch       {100 * values['accuracy_torch']:.2f} %")
    click.echo(f"ONNX Runtime  {100 * values['accuracy_onnx']:.2f} %")
    if "accuracy_int8" in values:
        click.echo(f"  in int8     {100 * values['accuracy_int8']:.2f} %")


@cli.command()
@run_argument
@click.option(
    "--pick", "choice", required=True, help="knee, fastest, most-accurate or an id of the front."
)
@click.option("--to", "target", required=True, type=click.Path(path_type=Path))
def export(run: Path, choice: str, target: Path) -> None:
    """Write a network of RUN as model.onnx, model.safetensors and model.json."""
    from ..exports.export import export_member, pick
    from ..runs.record import FINETUNED, Record
    from ..runs.workpiece import WORKPIECE, open_workpiece

    require_new(target)
    record = Record(run)
    member = pick(record.results(), choice)
    record.artifacts.bring_back([*WORKPIECE, FINETUNED])
    workpiece = open_workpiece(record.config, record.path, lambda _: None)
    card = export_member(workpiece, member, target)
    proof = card["certificate"]
    click.echo(
        f"network {member.id} in {target}: PyTorch and ONNX Runtime agree within "
        f"{proof['torch_vs_onnx']:.1e} on {proof['images']} images"
    )


@cli.command()
@run_argument
@click.option(
    "--pick",
    "choices",
    required=True,
    multiple=True,
    help="knee, fastest, most-accurate, all (of these) or an id; may be given several times.",
)
@click.option("--epochs", type=int, help="Passes over the training images.")
@click.option("--workers", type=int, help="Processes that train one network together.")
@click.option("--gpu", is_flag=True, default=None, help="Give every worker a GPU.")
@set_option
def finetune(
    run: Path,
    choices: tuple[str, ...],
    epochs: int | None,
    workers: int | None,
    gpu: bool | None,
    sets: tuple[str, ...],
) -> None:
    """Train networks of RUN further, taught by the dense one, and put them into its front."""
    from ..runs.progress import watching
    from ..runs.record import FINETUNED, Record
    from ..training.finetune import finetune_members
    from .printed import print_finetuned

    given = {"finetune.epochs": epochs, "finetune.workers": workers, "finetune.gpu": gpu}
    record = Record(run)
    with watching(Console(stderr=True), record.config.quantities) as watcher:
        pairs = finetune_members(record, choices, overrides(sets, given), watcher)
    print_finetuned(pairs, run / FINETUNED)
    click.echo(f"report    {run / 'report.html'}")


@cli.command()
@model_options
@json_option
def inspect(
    model: str, data_root: Path | None, shape: str | None, scope: Any, as_json: bool
) -> None:
    """List the groups of channels of MODEL that can be cut, and what cannot."""
    from ...methods.models.named import load_model
    from ..exports.cut import inspect as look
    from .printed import print_groups

    loaded = load_model(model, root=data_root, shape=image_shape(shape))
    rows, plan, macs = look(loaded, scope=scope)
    if as_json:
        groups = [asdict(row) for row in rows]
        click.echo(json.dumps({"macs": macs, "groups": groups, "skipped": dict(plan.skipped)}))
    else:
        print_groups(model, rows, plan, macs)


@cli.command()
@model_options
@click.option("--keep", type=float, help="Share of the channels to keep, the same everywhere.")
@click.option("--widths", metavar="A,B,...", help="Channels to keep, group by group.")
@click.option("--criterion", type=click.Choice(CRITERIA), default="l2", show_default=True)
@click.option(
    "--recalibrate", metavar="DATA", help="Data that recalibrates BatchNorm, cifar10 say."
)
@click.option("--to", "target", required=True, type=click.Path(path_type=Path))
def cut(
    model: str,
    data_root: Path | None,
    shape: str | None,
    scope: Any,
    keep: float | None,
    widths: str | None,
    criterion: str,
    recalibrate: str | None,
    target: Path,
) -> None:
    """Cut MODEL without a search and export what is left."""
    from ...methods.models.named import load_model
    from ..exports.cut import cut as cut_model
    from .printed import print_card

    require_new(target)
    card = cut_model(
        load_model(model, root=data_root, shape=image_shape(shape)),
        target,
        keep=keep,
        widths=None if widths is None else whole_numbers("--widths", widths),
        criterion=criterion,
        scope=scope,
        recalibration=recalibrate,
        root=data_root,
    )
    click.echo(f"{model} in {target}")
    print_card(card)


for command in (train, submit, attach, stop, profile, compare):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An error is one line on stderr: code 2 where the caller can mend it (usage, configuration,
    data), 1 where the run failed, 130 where it was interrupted. `--debug` shows the traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as clean a stop as Ctrl-C
    # PyTorch Geometric's import, which is none of the user's business
    warnings.filterwarnings("ignore", ".*torch.jit.script.* is deprecated", FutureWarning)
    try:
        asked = [one for one in given if one != "--debug"]
        code = cli.main(asked, "secateur", standalone_mode=False)
    except click.Abort as error:  # click's word for KeyboardInterrupt
        return _fail(str(error.__cause__ or "") or "stopped", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        if isinstance(error, click.ClickException):
            return _fail(error.format_message(), error.exit_code)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            return _fail(f"cannot use {error.filename}: {reason}" if error.filename else reason, 1)
        usage = isinstance(error, ValueError)
        return _fail(str(error) or type(error).__name__, 2 if usage else 1)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    click.echo(f"secateur: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
