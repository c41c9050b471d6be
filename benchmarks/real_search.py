"""The search and its baselines with real evaluations: hypervolume on the digits task.

    python benchmarks/real_search.py [--quick] [--json] [--folder DIR]

Every algorithm gets the same dense network, the same budget and the same seeds, with real
evaluations: error on the search split, latency in ONNX Runtime, memory. `--quick` counts MACs in
place of latency, on fewer seeds and evaluations.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import secateur

ALGORITHMS = ("hamp", "nsga2", "random")


def configuration(algorithm: str, seed: int, weights: Path | None, quick: bool) -> dict:
    """Return the digits task for one algorithm and seed."""
    config = {
        "objectives": ["error", "macs" if quick else "latency_ms", "memory_bytes"],
        "latency": {"seconds": 0.2},
        "search": {
            "algorithm": algorithm,
            "seed": seed,
            "evaluations": 60 if quick else 200,
            "worst_error": 1.1,  # where the hypervolume that is compared ends, too
        },
        "network": {},
    }
    if weights:
        config["network"]["weights"] = str(weights)
    return config


def measure(folder: Path, seeds: range, quick: bool) -> dict[str, list[float]]:
    """Run everything; return the final hypervolumes of every algorithm, a seed each."""
    found: dict[str, list[float]] = {algorithm: [] for algorithm in ALGORITHMS}
    weights = None
    for seed in seeds:
        for algorithm in ALGORITHMS:
            config = configuration(algorithm, seed, weights, quick)
            path = folder / f"{algorithm}-{seed}"
            known = (path / "journal.db").exists()
            run = secateur.open_run(path).resume() if known else secateur.launch(config, path)
            weights = weights or run.path / "dense.safetensors"
            found[algorithm].append(run.results().hypervolumes[-1])
            print(f"{algorithm} seed {seed}: {found[algorithm][-1]:.4f}", file=sys.stderr)
    return found


def summarised(found: dict[str, list[float]]) -> dict[str, float]:
    """Return means, spreads and how often HAMP wins, by name."""
    summary: dict[str, float] = {}
    for algorithm, volumes in found.items():
        summary[f"hypervolume_{algorithm}"] = statistics.mean(volumes)
        summary[f"spread_{algorithm}"] = statistics.stdev(volumes) if len(volumes) > 1 else 0.0
        if algorithm != "hamp":
            pairs = zip(found["hamp"], volumes, strict=True)
            summary[f"wins_over_{algorithm}"] = sum(ours > theirs for ours, theirs in pairs)
    summary["seeds"] = len(found["hamp"])
    return summary


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 seeds of 60 evaluations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", help="keep the runs there, and go on with those it holds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        found = measure(folder, range(2 if options.quick else 5), options.quick)
    summary = summarised(found)
    if options.json:
        print(json.dumps({"summary": summary, "hypervolumes": found}))
        return
    table = Table(title="Hypervolume on digits (mean, standard deviation, a seed each)")
    for heading in ("algorithm", "mean", "spread", *(f"seed {s}" for s in range(summary["seeds"]))):
        table.add_column(heading, justify="left" if heading == "algorithm" else "right")
    for algorithm, volumes in found.items():
        table.add_row(
            algorithm,
            f"{summary[f'hypervolume_{algorithm}']:.4f}",
            f"{summary[f'spread_{algorithm}']:.4f}",
            *(f"{volume:.4f}" for volume in volumes),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
