"""Search commands: `secateur search` and `secateur resume`."""

from pathlib import Path

import click
from rich.console import Console

from ..settings.config import read_config
from .options import (
    address_option,
    launch_options,
    on_option,
    overrides,
    run_argument,
    search_options,
)


@click.command()
@launch_options
@search_options
def search(
    config: Path | None,
    run: Path | None,
    resume: bool,
    address: str | None,
    journal: str | None,
    artifacts: str | None,
) -> None:
    """Search with the YAML file CONFIG; without one, prune a network for handwritten digits."""
    from ..run import launch
    from ..runs.progress import watching
    from .printed import print_files, print_front

    checked = read_config(config, overrides())
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


@click.command()
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
