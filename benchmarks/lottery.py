"""How deep do winning tickets of graph networks go, beside random pruning, on many data sets?

    python benchmarks/lottery.py [--quick] [--json] [--data-root DATA] [--sets "A;B;..."]
        [--set KEY=VALUE ...] [--folder DIR] [--keep DIR]

For every data set a lottery is run (`secateur train icpg`) with the folds, seeds and epochs of
`SETS`, which are fewer than the authors' where a set is large. Told are the dense network's score,
the deepest winning round, what is gone by then, as measured, and random pruning's deepest winning
round; beside them, under `by test`, the dense network's score and the deepest winning round where
epochs are chosen by the test part, as the authors choose them. The field's measure, that is the
last round whose test score, a mean over folds and seeds, is at least the dense network's on the
same ones: it is chosen by test scores, for ICPG and for random pruning alike, so that a lucky round
is deep, and nothing else at that round is a fair comparison. That is ICPG's score less random
pruning's, or the dense network's, on the same fold and seed: the mean over folds and seeds of their
means over all rounds, and at a few rounds chosen beforehand, with Student's 95 % interval (folds
share most training graphs, so it is rather too narrow).

`--folder` keeps the runs, and goes on with those that it holds; `--keep` writes the configuration,
every round of each, and what each fold and seed has there as JSON. `--quick` draws tickets of
random graphs.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from icpg import made_up
from rich.console import Console
from rich.table import Table
from scipy.stats import t as student

import secateur
from secateur.cluster.lottery.graph_record import GraphRecord
from secateur.cluster.lottery.rounds import DENSE, Row, rows
from secateur.cluster.lottery.tickets import EQUAL, Ticket, Tickets, deepest_of
from secateur.cluster.runs.progress import watching
from secateur.cluster.settings.checked import parse_override
from secateur.cluster.settings.graph_config import GraphConfig, read_graph_config
from secateur.methods.icpg.task import Task

GRAPHS: dict[str, Any] = {"masker.learning_rate": 1e-2}
"""By the authors' default of 1e-4 a masker has hardly learned after so few steps."""
NODES: dict[str, Any] = {"icpg.use": 1, "icpg.seeds": [0, 1]}
ONCE: dict[str, Any] = {"icpg.use": 1, "icpg.rounds": 1, "training.epochs": 10}
BESIDE_UGS: dict[str, Any] = {"icpg.variants": ["icpg", "ugs", "random"]}

SETS: dict[str, dict[str, Any]] = {
    "MUTAG": GRAPHS,
    "PROTEINS": GRAPHS | {"icpg.use": 3, "training.epochs": 30},
    "NCI1": GRAPHS | {"icpg.use": 3, "training.epochs": 20},
    "Mutagenicity": GRAPHS | {"icpg.use": 3, "training.epochs": 20},
    "IMDB-BINARY": GRAPHS | {"training.epochs": 50},
    "DD": GRAPHS | {"icpg.use": 2, "training.epochs": 10},
    "REDDIT-BINARY": GRAPHS | ONCE,
    "COLLAB": GRAPHS | ONCE,
    "Cora": NODES | BESIDE_UGS | {"icpg.seeds": [0, 1, 2], "icpg.rounds": 20},
    "CiteSeer": NODES | BESIDE_UGS | {"icpg.rounds": 13},
    "Cora_ML": NODES,
}
"""What each set differs in from the authors' settings, 12 rounds, ten folds and one seed."""

AT_ROUNDS = (3, 8, 11)
"""Where ICPG is told beside another: the authors' sparsest and densest, and one between."""

OTHERS = {"random": "random pruning's", DENSE: "the dense network's"}
"""What ICPG is told beside."""

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


@dataclass(frozen=True)
class Result:
    """What came of one data set's lottery: its configuration, tickets, and rounds one by one."""

    config: GraphConfig
    tickets: Tickets
    rows: list[Row]


def drawn(config: GraphConfig, path: Path) -> Result:
    """Run a lottery, or go on with it; return what came of it."""
    with watching(Console(stderr=True), ()) as watcher:
        if (path / "journal.db").exists():
            secateur.open_training(path).resume(watcher=watcher)
        else:
            secateur.train(config, path, watcher=watcher)
    record = GraphRecord(path)
    return Result(record.config, record.tickets(), rows(path))


def keep_result(result: Result, target: Path) -> None:
    """Write the configuration, every round, and every fold's and seed's row of each."""
    target.mkdir(parents=True, exist_ok=True)
    told = result.config.model_dump(mode="json", exclude={"data": {"root"}})
    (target / "config.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    found = result.tickets.as_json() | {"rows": [asdict(row) for row in result.rows]}
    (target / "result.json").write_text(json.dumps(found, indent=2) + "\n")


@dataclass(frozen=True)
class Gap:
    """ICPG's score less another's; `reach` is half the 95 % interval, None for one place."""

    mean: float
    reach: float | None

    def __str__(self) -> str:
        reach = "" if self.reach is None else f" ± {100 * self.reach:.2f}"
        return f"{100 * self.mean:+.2f}{reach}"


def gap(every: Sequence[Row], other: str, number: int | None = None) -> Gap | None:
    """Compare ICPG with another variant on the same folds and seeds, in one round or in all."""
    scores = {(row.variant, row.round, row.seed, row.fold): row.test for row in every}
    gaps: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (variant, round_, *place), score in scores.items():
        beside = scores.get((other, 0 if other == DENSE else round_, place[0], place[1]))
        if variant == "icpg" and number in (None, round_) and beside is not None:
            gaps[place[0], place[1]].append(score - beside)
    means = [statistics.fmean(one) for one in gaps.values()]
    if len(means) < 2:
        return Gap(means[0], None) if means else None
    error = statistics.stdev(means) / len(means) ** 0.5
    return Gap(statistics.fmean(means), float(student.ppf(0.975, len(means) - 1)) * error)


def gaps_of(every: Sequence[Row], other: str) -> dict[str, Gap]:
    """The gap over all rounds, and that at a few, by name."""
    asked = {"all": None} | {str(number): number for number in AT_ROUNDS}
    found = {name: gap(every, other, number) for name, number in asked.items()}
    return {name: one for name, one in found.items() if one is not None}


def round_by_test(tickets: Tickets) -> int:
    """The deepest round that wins where every epoch is the best on the test part; 0: none does."""
    least = tickets.dense_best_test - EQUAL
    return max((one.round for one in tickets.own if one.best_test >= least), default=0)


def summarised(found: dict[str, Result]) -> dict[str, float]:
    """Return what is told of each set, by name; the deepest round is 0 where no ticket wins."""
    summary: dict[str, float] = {}
    for name, result in found.items():
        tickets, deepest = result.tickets, result.tickets.deepest
        random = deepest_of(tickets.of("random"))
        told = {
            "dense": tickets.dense,
            "round": float(deepest.round if deepest else 0),
            "random_round": float(random.round if random else 0),
            "dense_by_test": tickets.dense_best_test,
            "round_by_test": float(round_by_test(tickets)),
        }
        if deepest is not None:
            told |= {
                "edges_gone": deepest.edges_gone,
                "weights_gone": deepest.weights_gone,
                "gain": deepest.gain,
            }
            for what, time in (("time", deepest.time), ("thinning", deepest.thinning)):
                if time is not None:
                    told[what] = time.value
        for other in OTHERS:
            for rounds, one in gaps_of(result.rows, other).items():
                told[f"over_{other}_{rounds}"] = one.mean
                if one.reach is not None:
                    told[f"over_{other}_{rounds}_reach"] = one.reach
        summary |= {f"{what}_{name}": value for what, value in told.items()}
    return summary


def table_of(found: dict[str, Result]) -> Table:
    """The deepest winning tickets for people."""
    table = Table(title="The deepest winning ticket of each set, means over folds and seeds")
    for heading in (
        "set", "folds x seeds", "dense (%)", "random's round", "round", "edges gone (%)",
        "weights gone (%)", "score (%)", "vs dense", "time", "thinning", "by test (%)", "round",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for name, result in found.items():
        tickets = result.tickets
        dense = f"{100 * tickets.dense:.2f} ± {100 * tickets.dense_deviation:.2f}"
        random = deepest_of(tickets.of("random"))
        beside = str(random.round) if random else "none"
        by_test = [f"{100 * tickets.dense_best_test:.2f}", str(round_by_test(tickets) or "none")]
        table.add_row(name, str(tickets.count), dense, beside, *_cells(tickets.deepest), *by_test)
    return table


def _cells(one: Ticket | None) -> list[str]:
    if one is None:
        return ["none", *[""] * 6]
    return [
        str(one.round),
        f"{100 * one.edges_gone:.2f}",
        f"{100 * one.weights_gone:.2f}",
        f"{100 * one.score:.2f} ± {100 * one.deviation:.2f}",
        f"{100 * one.gain:+.2f}",
        "" if one.time is None else f"{one.time.value:.2f}x",
        "" if one.thinning is None else f"{one.thinning.value:.2f}x",
    ]


def gap_table(found: dict[str, Result], other: str) -> Table:
    """ICPG beside another for people."""
    table = Table(title=f"ICPG's score less {OTHERS[other]}, in points, with its 95 % interval")
    table.add_column("set")
    for heading in ("all rounds", *(f"round {number}" for number in AT_ROUNDS)):
        table.add_column(heading, justify="right")
    for name, result in found.items():
        gaps = gaps_of(result.rows, other)
        table.add_row(name, *(str(gaps.get(key, "")) for key in ("all", *map(str, AT_ROUNDS))))
    return table


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
    found: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            config, label = configured(options, name), name.rpartition(":")[2]
            found[label] = drawn(config, (options.folder or Path(temporary)) / label)
            if options.keep:
                keep_result(found[label], options.keep / label)
    if options.json:
        print(json.dumps({"summary": summarised(found)}))
        return
    console = Console(width=140)
    console.print(table_of(found))
    for other in OTHERS:
        console.print(gap_table(found, other))


if __name__ == "__main__":
    main()
