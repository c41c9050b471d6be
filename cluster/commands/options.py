"""Options: what several commands ask for, and how it is read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..settings.checked import parse_override

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]

SETS, KEYS = "secateur.sets", "secateur.keys"
"""Where click's context has what --set and what other options say of the configuration."""


def together(*options: Decorator, told: str = "") -> Decorator:
    """Ask for several things, in this order, and end the command's help with what is `told`."""

    def asking(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        if told:
            function.__doc__ = f"{function.__doc__}\n\n{told}"
        return function

    return asking


def key_option(name: str, key: str, **settings: Any) -> Decorator:
    """Ask for the value of a key of the configuration, for `overrides`."""

    def put(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, ()):  # which it is without the option
            given = list(value) if isinstance(value, tuple) else value
            context.meta.setdefault(KEYS, {})[key] = given

    return click.option(name, expose_value=False, callback=put, **settings)


def _put_sets(context: click.Context, _: click.Parameter, sets: Sequence[str]) -> None:
    context.meta[SETS] = dict(map(parse_override, sets))


def overrides() -> dict[str, Any]:
    """Return values by key path: those of --set, and over them those of other options."""
    given = click.get_current_context().meta
    return {**given.get(SETS, {}), **given.get(KEYS, {})}


run_argument = click.argument("run", type=click.Path(path_type=Path))

on_option = click.option(
    "--on", metavar="URL", help="Database that holds the journal, or a copy of it."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")

set_option = click.option(
    "--set",
    multiple=True,
    expose_value=False,
    callback=_put_sets,
    metavar="KEY.PATH=VALUE",
    help="Override a key.",
)

data_root_option = click.option(
    "--data-root", type=click.Path(path_type=Path), help="Folder with data and weights."
)

address_option = click.option(
    "--address", help="Ray cluster whose nodes do the work: HEAD:6379, or auto on one of them."
)

server_option = click.option(
    "--address",
    required=True,
    metavar="http://HEAD:8265",
    envvar="RAY_API_SERVER_ADDRESS",
    help="Job server of the Ray cluster; by default RAY_API_SERVER_ADDRESS.",
)

launch_options = together(
    click.argument("config", required=False, type=click.Path(path_type=Path)),
    click.option("--run", type=click.Path(path_type=Path), help="Folder to make for the run."),
    click.option("--resume", is_flag=True, help="Go on where --run holds the run already."),
    address_option,
    key_option("--data-root", "data.root", type=click.Path(), help="Folder with data and weights."),
    set_option,
)
"""Which run begins here or goes on, by what configuration, and whose nodes do the work."""

search_options = together(
    key_option(
        "--evaluations", "search.evaluations", type=int, help="Budget: candidates to measure."
    ),
    key_option(
        "--evaluators", "workers.evaluators", type=int, help="Processes that measure accuracy."
    ),
    key_option("--seed", "search.seed", type=int, help="Seed of every random choice."),
    click.option(
        "--journal", metavar="URL", help="Database for the journal, not the run's folder."
    ),
    click.option(
        "--artifacts", metavar="URI", help="Folder for copies of files: s3://BUCKET/FOLDER."
    ),
)
"""What a search is given wherever it runs."""

training_options = together(
    key_option(
        "--workers", "finetune.workers", type=int, help="Processes that train one network together."
    ),
    key_option(
        "--gpu", "finetune.gpu", is_flag=True, default=None, help="Give every worker a GPU."
    ),
    key_option("--seed", "finetune.seed", type=int, help="Seed of every random choice."),
)
"""How one network is trained by a job of Ray Train."""

_shape_options = together(
    click.option("--input", "shape", metavar="C,H,W", help="One image's shape, e.g. 3,224,224."),
    data_root_option,
)

_MODELS = """    \b
    A model is one of
      torchvision:resnet50             random weights (@IMAGENET1K_V2: published ones)
      cifar10:resnet20                 the published weights below --data-root
      package.module:factory           your own, called without arguments
      a folder                         that export or cut has written"""

model_options = together(
    click.argument("model"),
    _shape_options,
    click.option(
        "--scope",
        type=click.Choice(["inner", "coupled"]),
        default="inner",
        show_default=True,
        help="Spare residual streams, or cut them as well.",
    ),
    told=_MODELS,
)
"""Which model is cut, and where."""

target_options = together(
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="KEY=VALUE,...",
        help="provider, threads, batch, precision, optimisation, statistic, seconds, interval.",
    ),
    click.option("--size", "sizes", multiple=True, metavar="NAME=N", help="A dimension left free."),
    _shape_options,
    json_option,
    told=f"{_MODELS}\n      a file MODEL.onnx",
)
"""On what models are measured, and how."""


def image_shape(text: str | None) -> tuple[int, int, int] | None:
    """Read what --input was given."""
    if text is None:
        return None
    sizes = whole_numbers("--input", text)
    if len(sizes) != 3 or min(sizes) < 1:
        raise click.UsageError(f"--input expects channels,height,width, got {text!r}")
    return sizes[0], sizes[1], sizes[2]


def whole_numbers(option: str, text: str) -> list[int]:
    """Read numbers with commas between them."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise click.UsageError(
            f"{option} expects whole numbers and commas, got {text!r}"
        ) from error


def require_new(target: Path) -> None:
    """Refuse a --to that holds something."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise click.UsageError(f"--to must be a new or an empty folder, {target} is not")
