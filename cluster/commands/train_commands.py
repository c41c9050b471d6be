"""Train commands: what trains rather than searches, as jobs of Ray Train."""

from pathlib import Path

import click
from rich.console import Console

from ..settings.config import read_config
from .options import address_option, overrides, set_option


@click.group()
def train() -> None:
    """Learn what to prune while training, as a Ray Train job."""


@train.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Folder to make for the run.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@click.option("--data-root", type=click.Path(), help="Folder with data and weights.")
@click.option("--workers", type=int, help="Processes that train one network together.")
@click.option("--gpu", is_flag=True, default=None, help="Give every worker a GPU.")
@set_option
@address_option
def clad(
    config: Path | None,
    run: Path | None,
    seed: int | None,
    data_root: str | None,
    workers: int | None,
    gpu: bool | None,
    sets: tuple[str, ...],
    address: str | None,
) -> None:
    """Learn pruning criteria with the network of the YAML file CONFIG, cut it once, fine-tune it.

    Without CONFIG, the demo's network for handwritten digits.
    """
    from ..runs.progress import watching
    from ..training_run import train as train_method
    from .printed import print_trained

    given = {
        "finetune.seed": seed,
        "data.root": data_root,
        "finetune.workers": workers,
        "finetune.gpu": gpu,
    }
    checked = read_config(config, overrides(sets, given))
    with watching(Console(stderr=True), ()) as watcher:
        finished = train_method(checked, run, address=address, watcher=watcher)
    print_trained(finished.path, finished.status())


@train.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Folder to make for the run.")
@click.option("--data-root", type=click.Path(), help="Folder with graph data sets.")
@click.option("--workers", type=int, help="Processes, each with folds and variants of its own.")
@set_option
@address_option
def icpg(
    config: Path | None,
    run: Path | None,
    data_root: str | None,
    workers: int | None,
    sets: tuple[str, ...],
    address: str | None,
) -> None:
    """Draw lottery tickets of a graph network by the YAML file CONFIG: fewer edges and weights.

    Without CONFIG, of a GCN on MUTAG.
    """
    from ..runs.progress import watching
    from ..settings.graph_config import read_graph_config
    from ..training_run import train as train_method
    from .printed_tickets import print_tickets

    given = {"data.root": data_root, "training.workers": workers}
    checked = read_graph_config(config, overrides(sets, given))
    with watching(Console(stderr=True), ()) as watcher:
        finished = train_method(checked, run, address=address, watcher=watcher)
    print_tickets(finished.path)
