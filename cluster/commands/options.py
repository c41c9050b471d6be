"""Options: what several commands ask for, and how it is read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..settings.checked import parse_override

run_argument = click.argument("run", type=click.Path(path_type=Path))

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")

address_option = click.option(
    "--address", help="Ray cluster whose nodes measure: HEAD:6379, or auto on one of them."
)

server_option = click.option(
    "--address",
    required=True,
    metavar="http://HEAD:8265",
    envvar="RAY_API_SERVER_ADDRESS",
    help="Job server of the Ray cluster; by default RAY_API_SERVER_ADDRESS.",
)

set_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key."
)

journal_option = click.option(
    "--journal", metavar="URL", help="Database for the journal, not the run's folder."
)

artifacts_option = click.option(
    "--artifacts", metavar="URI", help="Folder for copies of files: s3://BUCKET/FOLDER."
)

on_option = click.option(
    "--on", metavar="URL", help="Database that holds the journal, or a copy of it."
)

_MODEL_HELP = """\b
    MODEL is one of
      torchvision:resnet50             random weights (@IMAGENET1K_V2: published ones)
      cifar10:resnet20                 the published weights below --data-root
      package.module:factory           your own, called without arguments
      a folder                         that export or cut has written
"""


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Ask for a model, and tell in the command's help what is one."""
    for option in (
        click.option(
            "--scope",
            type=click.Choice(["inner", "coupled"]),
            default="inner",
            show_default=True,
            help="Spare residual streams, or cut them as well.",
        ),
        click.option(
            "--input", "shape", metavar="C,H,W", help="One image's shape, e.g. 3,224,224."
        ),
        click.option("--data-root", type=click.Path(path_type=Path), help="Data and weights."),
        click.argument("model"),
    ):
        function = option(function)
    function.__doc__ = f"{function.__doc__}\n\n{_MODEL_HELP}"
    return function


def overrides(sets: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by key path: those of --set, and over them those of other options."""
    known = {key: value for key, value in given.items() if value is not None}
    return dict(map(parse_override, sets)) | known


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
