"""Train commands: what trains rather than searches, as jobs of Ray Train."""

from pathlib import Path

import click
from rich.console import Console

from ..settings.config import read_config
from .options import key_option, launch_options, overrides, training_options


@click.group()
def train() -> None:
    """Learn what to prune while training, as a Ray Train job."""


@train.command()
@launch_options
@training_options
def clad(config: Path | None, run: Path | None, resume: bool, address: str | None) -> None:
    """Learn pruning criteria with the network of the YAML file CONFIG, cut it once, fine-tune it.

    Without CONFIG, the demo's network for handwritten digits.
    """
    from ..runs.progress import watching
    from ..training_run import train as train_method
    from .printed import print_trained

    checked = read_config(config, overrides())
    with watching(Console(stderr=True), ()) as watcher:
        finished = train_method(checked, run, address=address, resume=resume, watcher=watcher)
    print_trained(finished.path, finished.status())


@train.command()
@launch_options
@key_option(
    "--workers",
    "training.workers",
    type=int,
    help="Processes, each with folds and variants of its own.",
)
@key_option(
    "--seed",
    "icpg.seeds",
    type=int,
    multiple=True,
    help="Seed of first weights and orders; may be given several times.",
)
def icpg(config: Path | None, run: Path | None, resume: bool, address: str | None) -> None:
    """Draw lottery tickets of a graph network by the YAML file CONFIG: fewer edges and weights.

    Without CONFIG, of a GCN on MUTAG.
    """
    from ..runs.progress import watching
    from ..settings.graph_config import read_graph_config
    from ..training_run import train as train_method
    from .printed_tickets import print_tickets

    checked = read_graph_config(config, overrides())
    with watching(Console(stderr=True), ()) as watcher:
        finished = train_method(checked, run, address=address, resume=resume, watcher=watcher)
    print_tickets(finished.path)
