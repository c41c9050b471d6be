"""Command line: `secateur search`, `resume`, `status`, `front`, `report`, `evaluate`, `export`."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

INTERRUPTED = 130


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


def _run_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("run", type=click.Path(path_type=Path))(function)


def _json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(
        function
    )


@cli.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Folder to make for the run.")
@click.option("--evaluations", type=int, help="Budget: candidates to measure.")
@click.option("--evaluators", type=int, help="Processes that measure accuracy.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@click.option("--data-root", type=click.Path(), help="Folder with data and weights.")
@click.option("--set", "sets", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key.")
def search(
    config: Path | None,
    run: Path | None,
    evaluations: int | None,
    evaluators: int | None,
    seed: int | None,
    data_root: str | None,
    sets: tuple[str, ...],
) -> None:
    """Search with the YAML file CONFIG; without one, prune a network for handwritten digits."""
    from .config import parse_override, read_config
    from .progress import watching
    from .run import launch

    given = {
        "search.evaluations": evaluations,
        "workers.evaluators": evaluators,
        "search.seed": seed,
        "data.root": data_root,
    }
    overrides = dict(parse_override(text) for text in sets)
    overrides |= {key: value for key, value in given.items() if value is not None}
    checked = read_config(config, overrides)
    console = Console(stderr=True)
    with watching(console, checked.objectives) as watcher:
        finished = launch(checked, run, watcher=watcher)
    _print_front(finished)
    _print_files(finished)


@cli.command()
@_run_argument
def resume(run: Path) -> None:
    """Go on with RUN after any stop, a kill or a power cut included."""
    from .progress import watching
    from .run import open_run

    opened = open_run(run)
    if opened.state == "complete":
        click.echo(f"{run} is complete: nothing to resume")
        return
    with watching(Console(stderr=True), opened.config.objectives) as watcher:
        opened.resume(watcher=watcher)
    _print_front(opened)
    _print_files(opened)


@cli.command()
@_run_argument
@_json_option
def status(run: Path, as_json: bool) -> None:
    """Tell how far RUN is."""
    from .record import Record

    values = Record(run).status()
    if as_json:
        click.echo(json.dumps(values))
        return
    for name, value in values.items():
        shown = f"{value:.4f}" if isinstance(value, float) else value
        click.echo(f"{name:<13} {shown}")


@cli.command()
@_run_argument
@_json_option
def front(run: Path, as_json: bool) -> None:
    """Print the Pareto front of RUN, from the fastest network to the slowest."""
    from .record import Record

    record = Record(run)
    if as_json:
        click.echo(json.dumps(record.results().front_as_json()))
    else:
        _print_front(record)


@cli.command()
@_run_argument
def report(run: Path) -> None:
    """Write report.html and front.png into RUN."""
    from .record import Record
    from .report import write_report

    for path in write_report(Record(run).results(), run):
        click.echo(path)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="A data set: cifar10, digits or an import path.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the data.")
@click.option("--split", type=click.Choice(["search", "final"]), default="final", show_default=True)
@_json_option
def evaluate(directory: Path, data: str, data_root: Path | None, split: str, as_json: bool) -> None:
    """Measure the accuracy of the exported network in DIRECTORY, by PyTorch and by ONNX Runtime."""
    from ..methods.evaluation import evaluate as measure

    values = measure(directory, data=data, root=data_root, split=split)
    if as_json:
        click.echo(json.dumps(values))
        return
    click.echo(f"{values['images']} images of {data}, {split} split")
    click.echo(f"PyTorch       {100 * values['accuracy_torch']:.2f} %")
    click.echo(f"ONNX Runtime  {100 * values['accuracy_onnx']:.2f} %")


@cli.command()
@_run_argument
@click.option(
    "--pick", "choice", required=True, help="knee, fastest, most-accurate or an id of the front."
)
@click.option("--to", "target", required=True, type=click.Path(path_type=Path))
def export(run: Path, choice: str, target: Path) -> None:
    """Write a network of RUN as model.onnx, model.safetensors and model.json."""
    from .export import export_member, pick
    from .record import Record
    from .workpiece import open_workpiece

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise click.UsageError(f"--to must be a new or an empty folder, {target} is not")
    record = Record(run)
    member = pick(record.results(), choice)
    workpiece = open_workpiece(record.config, record.path, lambda _: None)
    card = export_member(workpiece, member, target)
    proof = card["certificate"]
    click.echo(
        f"network {member.id} in {target}: PyTorch and ONNX Runtime agree within "
        f"{proof['torch_vs_onnx']:.1e} on {proof['images']} images"
    )


def _print_front(run: Any) -> None:
    from .quantity import Quantity, quantities

    results = run.results()
    dense, shown = results.dense, quantities(results)
    objectives = [quantity.name for quantity in shown]
    counted = [
        Quantity.of(name, getattr(dense, name))
        for name in ("macs", "params")
        if name not in objectives
    ]
    table = Table(title=f"Pareto front of {run.path}: {len(results.front)} networks")
    table.add_column("id", justify="right")
    for quantity in shown:
        table.add_column(quantity.title, justify="right")
    table.add_column("Final error (%)", justify="right")
    for quantity in counted:
        table.add_column(quantity.title, justify="right")
    table.add_column("Origin")
    picks = {number: name for name, number in results.picks.items()}
    for member in (dense, *(m for m in results.front if m.id != dense.id)):
        cells = [str(member.id)]
        for quantity in shown:
            value = member.objectives[quantity.name].value
            than = dense.objectives[quantity.name].value
            versus = f" ({quantity.versus(value, than)})" if quantity.relative else ""
            cells.append(quantity.text(value) + versus)
        cells.append(shown[0].text(member.final_error.value) if member.final_error else "")
        cells += [quantity.text(getattr(member, quantity.name)) for quantity in counted]
        table.add_row(*cells, picks.get(member.id, member.origin))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _print_files(run: Any) -> None:
    click.echo(f"report    {run.path / 'report.html'}")
    click.echo(f"picture   {run.path / 'front.png'}")
    for folder in sorted((run.path / "exports").iterdir()):
        click.echo(f"network   {folder}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An error is one line on stderr: code 2 where the caller can mend it (usage, configuration,
    data), 1 where the run failed, 130 where it was interrupted. `--debug` shows the traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as clean a stop as Ctrl-C
    try:
        cli.main([one for one in given if one != "--debug"], "secateur", standalone_mode=False)
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
            return _fail(f"cannot use {error.filename}: {error.strerror}", 1)
        usage = isinstance(error, ValueError)
        return _fail(str(error) or type(error).__name__, 2 if usage else 1)
    return 0


def _fail(message: str, code: int) -> int:
    click.echo(f"secateur: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
