"""The search and its baselines with real evaluations: hypervolume over what they measured.

    python benchmarks/real_search.py [--quick] [--json] [--folder DIR] [--seeds N]
        [--evaluations N] [--config FILE --data-root DATA] [--worst-error E] [--algorithms A,B,...]
        [--time]

Every algorithm gets the same dense network, the same budget and the same seeds, with real
evaluations: error on the search split, latency in ONNX Runtime, memory; of the demo's digits, or of
any configuration. The hypervolume ends at `search.worst_error` in the error, and at 1.1 times the
dense network in all else. HAMP's share is the part of the budget that HAMP needs to have as much as
the other has at its end. `--folder` keeps the runs, and goes on with those that it holds; `--time`
times every network in it anew, for runs that were not alone on their machine, and compares by that.
`--quick` counts MACs in place of latency, on fewer seeds and evaluations.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

import secateur
from secateur.cluster.profiling.targets import protocol_for, target_for
from secateur.cluster.runs.workpiece import open_workpiece
from secateur.methods.measuring.target_meter import TargetMeter
from secateur.search.indicators import running_hypervolume

DIGITS = {
    "objectives": ["error", "latency_ms", "memory_bytes"],
    "latency": {"seconds": 0.2},
    "search": {"worst_error": 1.1, "evaluations": 200},
    "network": {},
}
VARIANTS = {
    "hamp-no-local-search": {"local_search": 0.0},
    "hamp-nsga2-selection": {"selection": "nsga2"},
}
"""HAMP without one of its parts, beside the algorithms of the configuration."""

TIMED = "timed.json"
"""In a run's folder: the latencies of its networks, timed anew."""


def configuration(options: argparse.Namespace) -> dict[str, Any]:
    """Return what every run has in common."""
    config = yaml.safe_load(options.config.read_text()) if options.config else deepcopy(DIGITS)
    search = config.setdefault("search", {})
    search["final"] = "picks"  # the hypervolume is that of the search split
    if options.quick:
        config["objectives"] = ["error", "macs", "memory_bytes"]
        search["evaluations"] = 60
    if options.evaluations:
        search["evaluations"] = options.evaluations
    if options.worst_error:
        search["worst_error"] = options.worst_error
    if options.data_root:
        config.setdefault("data", {})["root"] = str(options.data_root)
    return config


def searched(config: Mapping[str, Any], path: Path) -> list[float]:
    """Run a search, or go on with it; return the hypervolume after every evaluation."""
    known = (path / "journal.db").exists()
    run = secateur.open_run(path) if known else secateur.launch(config, path)
    if run.status()["evaluations"] < run.config.search.evaluations:
        run.resume()
    found, goals = run.results(), run.config.goals
    timed = json.loads((path / TIMED).read_text()) if (path / TIMED).exists() else {}
    values = np.full((len(found.hypervolumes), len(found.objectives)), np.inf)
    for member in found.members:
        measured = {name: estimate.value for name, estimate in member.objectives.items()}
        measured |= {"latency_ms": timed[str(member.id)]} if timed else {}
        values[member.id] = list(measured.values())
    points = goals.beside(values[0].tolist()).points(values)
    return running_hypervolume(points, goals.reference(run.config.search.worst_error))


def time_anew(path: Path) -> None:
    """Time all networks of a run, on a machine that does nothing else, and keep that beside it."""
    run = secateur.open_run(path)
    workpiece = open_workpiece(run.config, path, lambda _: None)
    pruner, template, settings = workpiece.pruner, workpiece.template, run.config.latency
    dense = template.fill(pruner.state)
    meter = TargetMeter(dense, target_for(settings), protocol_for(settings))
    found = {
        member.id: meter.reference_ms.value
        if pruner.is_dense(member.genome)
        else meter(template.fill(pruner.sliced_state(member.genome))).estimate.value
        for member in run.results().members
    }
    (path / TIMED).write_text(json.dumps(found))


def measured(
    folder: Path, config: Mapping[str, Any], algorithms: Sequence[str], seeds: int
) -> dict[str, list[list[float]]]:
    """Run everything; return the hypervolumes of every algorithm, a list for each seed."""
    found: dict[str, list[list[float]]] = {algorithm: [] for algorithm in algorithms}
    weights = config["network"].get("weights")
    for seed in range(seeds):
        for algorithm in algorithms:
            path = folder / f"{algorithm}-{seed}"
            changed: dict[str, Any] = {"algorithm": algorithm, "seed": seed}
            if algorithm in VARIANTS:
                changed |= {"algorithm": "hamp", "hamp": VARIANTS[algorithm]}
            network = config["network"] | ({"weights": str(weights)} if weights else {})
            own = {**config, "search": {**config["search"], **changed}, "network": network}
            found[algorithm].append(searched(own, path))
            weights = weights or path / "dense.safetensors"
            print(f"{algorithm} seed {seed}: {found[algorithm][-1][-1]:.4f}", file=sys.stderr)
    return found


def summarised(found: Mapping[str, list[list[float]]]) -> dict[str, float]:
    """Return means and spreads at the end, by name; and, beside HAMP, its wins and its share."""
    summary: dict[str, float] = {}
    for algorithm, runs in found.items():
        name = algorithm.replace("-", "_")
        ends = [volumes[-1] for volumes in runs]
        summary[f"hypervolume_{name}"] = statistics.mean(ends)
        summary[f"spread_{name}"] = statistics.stdev(ends) if len(ends) > 1 else 0.0
        if algorithm != "hamp" and "hamp" in found:
            pairs = list(zip(found["hamp"], ends, strict=True))
            summary[f"wins_over_{name}"] = sum(ours[-1] > end for ours, end in pairs)
            summary[f"hamp_share_of_{name}"] = statistics.median(
                next((count for count, one in enumerate(ours, 1) if one >= end), np.inf) / len(ours)
                for ours, end in pairs
            )
    summary["seeds"] = len(next(iter(found.values())))
    return summary


def table_of(found: Mapping[str, list[list[float]]], summary: Mapping[str, float]) -> Table:
    """The comparison for people: at a third, at two thirds and at the end of the budget."""
    budget = max(len(volumes) for runs in found.values() for volumes in runs)
    moments = [budget // 3, 2 * budget // 3, budget]
    seeds = f"{summary['seeds']:.0f} seed{'s' if summary['seeds'] > 1 else ''}"
    table = Table(title=f"Hypervolume after so many evaluations, mean of {seeds}")
    for heading in ("algorithm", *map(str, moments), "deviation", "HAMP wins", "HAMP's share"):
        table.add_column(heading, justify="left" if heading == "algorithm" else "right")
    for algorithm, runs in found.items():
        name = algorithm.replace("-", "_")
        means = [statistics.mean(one[min(m, len(one)) - 1] for one in runs) for m in moments]
        cells = [*(f"{mean:.4f}" for mean in means), f"{summary[f'spread_{name}']:.4f}"]
        if f"wins_over_{name}" in summary:
            cells.append(f"{summary[f'wins_over_{name}']:.0f}")
            share = summary[f"hamp_share_of_{name}"]
            cells.append(f"{share:.1%}" if np.isfinite(share) else "never")
        table.add_row(algorithm, *cells)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 seeds of 60 evaluations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, help="keep the runs, and go on with those it holds")
    parser.add_argument("--time", action="store_true", help="time all in the folder anew")
    parser.add_argument("--config", type=Path, help="what to search; the demo's digits without")
    parser.add_argument("--data-root", type=Path, help="folder with data and weights")
    parser.add_argument(
        "--algorithms",
        default="hamp,nsga2,random",
        help="which, with commas; also HAMP without a part",
    )
    parser.add_argument("--worst-error", type=float, help="errors from here on are of no use")
    parser.add_argument("--seeds", type=int, help="how many; 5 without")
    parser.add_argument("--evaluations", type=int, help="the budget of a run")
    options = parser.parse_args()
    seeds = options.seeds or (2 if options.quick else 5)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        algorithms = options.algorithms.split(",")
        for path in sorted(folder.glob("*-*")) if options.time else []:
            time_anew(path)
        found = measured(folder, configuration(options), algorithms, seeds)
    summary = summarised(found)
    if options.json:
        reached = {name: value for name, value in summary.items() if np.isfinite(value)}
        print(json.dumps({"summary": reached, "volumes": found}))
        return
    Console(width=110).print(table_of(found, summary))


if __name__ == "__main__":
    main()
