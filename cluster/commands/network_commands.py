"""Network commands: networks of a run and any others - export, finetune, evaluate, inspect, cut."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console

from ..settings.config import CriterionName
from .options import (
    address_option,
    data_root_option,
    image_shape,
    json_option,
    key_option,
    model_options,
    overrides,
    require_new,
    run_argument,
    set_option,
    training_options,
    whole_numbers,
)

CRITERIA = get_args(CriterionName)


@click.command()
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


@click.command()
@run_argument
@click.option(
    "--pick",
    "choices",
    required=True,
    multiple=True,
    help="knee, fastest, most-accurate, all (of these) or an id; may be given several times.",
)
@address_option
@key_option("--epochs", "finetune.epochs", type=int, help="Passes over the training images.")
@training_options
@set_option
def finetune(run: Path, choices: tuple[str, ...], address: str | None) -> None:
    """Train networks of RUN further, taught by the dense one, and put them into its front."""
    from ..runs.progress import watching
    from ..runs.record import FINETUNED, Record
    from ..training.finetune import finetune_members
    from .printed import print_finetuned

    record = Record(run)
    with watching(Console(stderr=True), record.config.quantities) as watcher:
        pairs = finetune_members(record, choices, overrides(), watcher, address=address)
    print_finetuned(pairs, run / FINETUNED)
    click.echo(f"report    {run / 'report.html'}")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="A data set: cifar10, digits or an import path.")
@data_root_option
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


@click.command()
@model_options
@json_option
def inspect(
    model: str, shape: str | None, data_root: Path | None, scope: Any, as_json: bool
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


@click.command()
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
    shape: str | None,
    data_root: Path | None,
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
