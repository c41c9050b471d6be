"""How deep do winning tickets of graph networks go, beside random pruning, on many data sets?

    python benchmarks/lottery.py [--quick] [--json] [--data-root DATA] [--sets "A;B;..."]
        [--set KEY=VALUE ...] [--folder DIR] [--keep DIR]

For every data set a lottery is run (`secateur train icpg`) with the folds, seeds and epochs of
`SETS`, which are fewer than the authors' where a set is large. Told are the dense network's score,
the deepest round whose ticket does at least as well on the same folds and seeds, what is gone by
then, as measured, and random pruning at the same round. `--folder` keeps the runs, and goes on with
those that it holds; `--keep` writes the configuration and every round of each as JSON. `--quick`
draws tickets of random graphs.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml
from icpg import made_up
from rich.console import Console
from rich.table import Table

import secateur
from secateur.cluster.lottery.graph_record import GraphRecord
from secateur.cluster.lottery.tickets import Ticket, Tickets
from secateur.cluster.runs.progress import watching
from secateur.cluster.settings.checked import parse_override
from secateur.cluster.settings.graph_config import GraphConfig, read_graph_config
from secateur.methods.icpg.task import Task

GRAPHS: dict[str, Any] = {"masker.learning_rate": 1e-2}
"""By the authors' default of 1e-4 a masker has hardly learned after so few steps."""
NODES: dict[str, Any] = {"icpg.use": 1, "icpg.seeds": [0, 1, 2], "icpg.rounds": 20}
ONCE: dict[str, Any] = {"icpg.use": 1, "icpg.rounds": 1, "training.epochs": 10}
BESIDE_UGS: dict[str, Any] = {"icpg.variants": ["icpg", "ugs", "random"]}

SETS: dict[str, dict[str, Any]] = {
    "MUTAG": GRAPHS | {"icpg.seeds": [0, 1, 2]},
    "PROTEINS": GRAPHS | {"icpg.use": 5, "training.epochs": 50},
    "NCI1": GRAPHS | {"icpg.use": 3, "training.epochs": 30},
    "Mutagenicity": GRAPHS | {"icpg.use": 3, "training.epochs": 30},
    "IMDB-BINARY": GRAPHS | {"icpg.use": 5, "training.epochs": 50},
    "DD": GRAPHS | {"icpg.use": 3, "training.epochs": 20},
    "REDDIT-BINARY": GRAPHS | ONCE,
    "COLLAB": GRAPHS | ONCE,
    "Cora": NODES | BESIDE_UGS,
    "CiteSeer": NODES | BESIDE_UGS,
    "Cora_ML": NODES,
}
"""What each set differs in from the authors' settings, 12 rounds, ten folds and one seed."""

QUICK: dict[str, Any] = {
    "icpg.folds": 3,
    "icpg.rounds": 3,
    "training.epochs": 6,
    "network.hidden": 16,
    "masker.hidden": 8,
}


def random_graphs(_root: Path | None = None) -> Task:
    """The graphs of `--quick`, by import path."""
    return made_up(60)


def configured(options: argparse.Namespace, name: str) -> GraphConfig:
    """The configuration of one data set's lottery."""
    given = {"name": f"icpg-{name.rpartition(':')[2].lower()}", "data.name": name}
    given |= QUICK if options.quick else SETS[name]
    if options.data_root:
        given["data.root"] = str(options.data_root)
    return read_graph_config(None, given | dict(map(parse_override, options.set)))


def drawn(config: GraphConfig, path: Path) -> Tickets:
    """Run a lottery, or go on with it; return its tickets."""
    with watching(Console(stderr=True), ()) as watcher:
        if (path / "journal.db").exists():
            secateur.open_training(path).resume(watcher=watcher)
        else:
            secateur.train(config, path, watcher=watcher)
    return GraphRecord(path).tickets()


def keep_result(config: GraphConfig, found: Tickets, target: Path) -> None:
    """Write the configuration, and every round."""
    target.mkdir(parents=True, exist_ok=True)
    told = config.model_dump(mode="json", exclude={"data": {"root"}})
    (target / "config.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    (target / "result.json").write_text(json.dumps(found.as_json(), indent=2) + "\n")


def summarised(found: dict[str, Tickets]) -> dict[str, float]:
    """Return what is told of each set, by name; the deepest round is 0 where no ticket wins."""
    summary: dict[str, float] = {}
    for name, tickets in found.items():
        deepest = tickets.deepest
        told = {"dense": tickets.dense, "round": float(deepest.round if deepest else 0)}
        if deepest is not None:
            told |= {
                "edges_gone": deepest.edges_gone,
                "weights_gone": deepest.weights_gone,
                "gain": deepest.gain,
            }
            if deepest.over_random is not None:
                told["over_random"] = deepest.over_random
            if deepest.time is not None:
                told["time"] = deepest.time.value
        summary |= {f"{what}_{name}": value for what, value in told.items()}
    return summary


def table_of(found: dict[str, Tickets]) -> Table:
    """The comparison for people."""
    table = Table(title="The deepest winning ticket of each set, means over folds and seeds")
    for heading in (
        "set", "folds x seeds", "dense (%)", "round", "edges gone (%)", "weights gone (%)",
        "score (%)", "vs dense", "vs random", "time",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for name, tickets in found.items():
        dense = f"{100 * tickets.dense:.2f} ± {100 * tickets.dense_deviation:.2f}"
        table.add_row(name, str(tickets.count), dense, *_cells(tickets.deepest))
    return table


def _cells(one: Ticket | None) -> list[str]:
    if one is None:
        return ["none"]
    return [
        str(one.round),
        f"{100 * one.edges_gone:.2f}",
        f"{100 * one.weights_gone:.2f}",
        f"{100 * one.score:.2f} ± {100 * one.deviation:.2f}",
        f"{100 * one.gain:+.2f}",
        "" if one.over_random is None else f"{100 * one.over_random:+.2f}",
        "" if one.time is None else f"{one.time.value:.2f}x",
    ]


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="random graphs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data-root", type=Path, help="folder with graph data sets")
    parser.add_argument("--sets", help="which, with semicolons; all without")
    parser.add_argument("--set", action="append", default=[], help="override a key")
    parser.add_argument("--folder", type=Path, help="keep the runs, and go on with those it holds")
    parser.add_argument("--keep", type=Path, help="write what came of each run there")
    options = parser.parse_args()
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    quick = [f"{Path(__file__).stem}:random_graphs"]
    names = options.sets.split(";") if options.sets else quick if options.quick else list(SETS)
    found: dict[str, Tickets] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            config, label = configured(options, name), name.rpartition(":")[2]
            found[label] = drawn(config, (options.folder or Path(temporary)) / label)
            if options.keep:
                keep_result(config, found[label], options.keep / label)
    if options.json:
        print(json.dumps({"summary": summarised(found)}))
        return
    Console(width=120).print(table_of(found))


if __name__ == "__main__":
    main()
