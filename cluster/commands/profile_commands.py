"""Profile commands: `secateur profile` and `secateur compare`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..settings.checked import checked, parse_override
from ..settings.config import Latency
from .options import image_shape, target_options

if TYPE_CHECKING:
    from ..profiling.profile import Graph  # what imports torch is named only


@click.command()
@click.argument("model")
@click.option(
    "--sweep",
    "cuts",
    type=click.IntRange(min=1),
    help="Run MODEL with N random widths instead, and learn what its layers take.",
)
@target_options
def profile(
    model: str,
    cuts: int | None,
    targets: tuple[str, ...],
    sizes: tuple[str, ...],
    shape: str | None,
    data_root: Path | None,
    as_json: bool,
) -> None:
    """Measure the latency, the memory and, where it can be read, the energy of MODEL.

    --target may be given several times.
    """
    if cuts is not None:
        if sizes:
            raise click.UsageError("--size is for profiling a graph, not for --sweep: leave it out")
        asked = [_settings(text) for text in targets or ("",)]
        _sweep(model, cuts, asked, root=data_root, shape=shape, as_json=as_json)
        return
    from ..profiling.profile import profile as measured
    from .printed_profile import print_profile

    graph = _graph(model, data_root, shape, sizes)
    found = [measured(graph, settings) for settings in map(_settings, targets or ("",))]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found]))
        return
    for one in found:
        print_profile(model, one)


@click.command()
@click.argument("one")
@click.argument("other")
@target_options
def compare(
    one: str,
    other: str,
    targets: tuple[str, ...],
    sizes: tuple[str, ...],
    shape: str | None,
    data_root: Path | None,
    as_json: bool,
) -> None:
    """Tell whether the model OTHER is faster than ONE, timing them in turns."""
    from ..profiling.profile import beside
    from .printed_profile import print_comparison

    first, second = (_graph(name, data_root, shape, sizes) for name in (one, other))
    found = [
        (settings, beside(first, second, settings)) for settings in map(_settings, targets or ("",))
    ]
    if as_json:
        click.echo(
            json.dumps(
                [
                    {**asdict(result), "verdict": result.verdict, "target": settings.model_dump()}
                    for settings, result in found
                ]
            )
        )
        return
    for settings, result in found:
        print_comparison(one, other, settings, result)


def _sweep(
    name: str,
    cuts: int,
    targets: list[Latency],
    *,
    root: Path | None,
    shape: str | None,
    as_json: bool,
) -> None:
    from ...methods.models.named import load_model
    from ..profiling.sweep import sweep
    from .printed_profile import print_swept

    if Path(name).suffix == ".onnx":
        raise click.UsageError("--sweep cuts a network: give it by its name or folder, no .onnx")
    model = load_model(name, root=root, shape=image_shape(shape))
    found = [sweep(model, settings, cuts) for settings in targets]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found]))
        return
    for one in found:
        print_swept(name, one)


def _graph(name: str, root: Path | None, shape: str | None, sizes: tuple[str, ...]) -> "Graph":
    from ..profiling.profile import graph_of

    given = dict(parse_override(text, "--size") for text in sizes)
    for key, size in given.items():
        if type(size) is not int or size < 1:
            raise click.UsageError(f"--size {key} expects a whole number from 1 on, got {size!r}")
    return graph_of(name, root=root, shape=image_shape(shape), sizes=given)


def _settings(text: str) -> Latency:
    """Read what --target was given."""
    given = dict(parse_override(part, "--target") for part in text.split(",") if part)
    return checked(Latency, given, source="--target")
