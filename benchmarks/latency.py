"""Can a latency be believed, and can it be foretold?

    python benchmarks/latency.py [--quick] [--json] [--picture FILE]

Three questions, all on networks for CIFAR with random weights, one image, one thread, in ONNX
Runtime on one core of this machine.

1. The staircase: ResNet-56 with the same share kept in every inner group, to the channel.
2. Repeatability: the same networks (cuts of three) measured twice in quiet, and once while another
   process fills the other core now and then, half of the time. Beside this product's protocol stand
   those of its peers: one call of a fresh session, the mean of a series whose first calls are
   counted in, and the mean of as many calls as there is time for in what ours has taken. How a
   protocol orders the cuts of one network in quiet and under load is Kendall's tau, the mean over
   the networks; told as well are the seconds that one reading takes.
3. Proxies: how MACs, parameters and the latency model order networks by their latency. `layers` is
   what is expected before anything of the network was measured, from its layers' sizes, as learned
   from the layers of the other two networks. The model is asked for cuts that it has not seen,
   after 5, 25 and 50 others of the same network, with and without that expectation.

`--quick` takes fewer shares, networks and seconds; `--picture` draws the staircase.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau
from untrained import Untrained

from secateur.actors.cores import confined, split_cores
from secateur.methods.measuring.latency import Protocol
from secateur.methods.measuring.operators import operator_times
from secateur.methods.measuring.preparation import Preparation
from secateur.methods.measuring.session import open_session, random_inputs
from secateur.methods.measuring.target import Target
from secateur.methods.measuring.target_meter import TargetMeter
from secateur.methods.networks import cifar_mobilenet_v2, cifar_resnet
from secateur.methods.pruning.counts import Counts
from secateur.search.candidate import Estimate
from secateur.search.surrogate import Surrogate
from secateur.surrogates.latency_model import latency_model
from secateur.surrogates.operator_model import OperatorModel, layers_time

NETWORKS: dict[str, Callable[[], Any]] = {
    "ResNet-20": lambda: cifar_resnet(20),
    "ResNet-56": lambda: cifar_resnet(56),
    "MobileNetV2": cifar_mobilenet_v2,
}

OURS = "ours"

SERIES = 30
"""Calls that a peer takes the mean of, at least, the first ones included."""

BUSY = """
import os, sys, time, numpy
os.sched_setaffinity(0, {int(sys.argv[1])})
table = numpy.random.default_rng(0).random((1200, 1200), dtype=numpy.float32)
while True:
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        table @ table
    time.sleep(1.0)
"""
"""What fills a core for a second, and leaves it alone for one."""

Reading = Callable[[bytes, float], Estimate]
"""Takes a graph, and the seconds that ours has taken for it; what is read is in milliseconds."""


def staircase(shares: Sequence[float], protocol: Protocol) -> list[dict[str, float]]:
    """Return share, MACs and latency with its interval, all relative to dense, for every share."""
    network = Untrained.of(56)
    dense, cost = network.pruner.plan.widths, network.cost
    meter = TargetMeter(network.onnx(dense), Target(), protocol, reference_ms=Estimate.exact(1.0))
    rows = []
    for share in shares:
        widths = [max(1, round(share * width)) for width in dense]
        found = meter(network.onnx(widths)).estimate
        macs = cost(widths).macs / cost(dense).macs
        rows.append(
            {
                "share": share,
                "macs": macs,
                "latency": found.value,
                "low": found.low,
                "high": found.high,
            }
        )
    return rows


def cuts(network: Untrained, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Draw widths as a search visits them: a level for all groups, and each near to it."""
    dense = np.array(network.pruner.plan.widths)
    levels = rng.uniform(0.15, 1.0, count)
    shares = np.clip(levels[:, None] + rng.uniform(-0.2, 0.2, (count, len(dense))), 0.05, 1.0)
    return [tuple(row) for row in np.maximum(1, np.rint(shares * dense)).astype(int).tolist()]


def protocols(network: Untrained, protocol: Protocol) -> dict[str, Reading]:
    """Ours, and those of the peers, in milliseconds."""
    meter = TargetMeter(network.onnx(network.pruner.plan.widths), Target(), protocol)

    def series(model: bytes, *, calls: int, seconds: float) -> Estimate:
        session = open_session(model)
        inputs = random_inputs(session, 1)
        times: list[float] = []
        until = time.perf_counter() + seconds
        while len(times) < calls or time.perf_counter() < until:
            began = time.perf_counter()
            session.run(None, inputs)
            times.append(1e3 * (time.perf_counter() - began))
        return Estimate.exact(statistics.mean(times))

    return {
        OURS: lambda model, _: meter(model).estimate,
        "one call": lambda model, _: series(model, calls=1, seconds=0.0),
        "mean with warm-up": lambda model, _: series(model, calls=SERIES, seconds=0.0),
        "mean, as long": lambda model, seconds: series(model, calls=SERIES, seconds=seconds),
    }


@contextmanager
def busy(core: int | None) -> Iterator[None]:
    """Let another process fill a core now and then; nothing where there is no other core."""
    if core is None:
        yield
        return
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(core)], env=alone)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def repeatability(count: int, protocol: Protocol, other: int | None) -> list[dict[str, Any]]:
    """Measure every network by every protocol, twice in quiet and once under load."""
    made = {name: Untrained.like(make()) for name, make in NETWORKS.items()}
    rng = np.random.default_rng(0)
    chosen = {name: cuts(network, count, rng) for name, network in made.items()}
    rows: list[dict[str, Any]] = []
    readings = {name: protocols(network, protocol) for name, network in made.items()}
    for turn, core in (("first", None), ("loaded", other), ("again", None)):
        with busy(core):
            for name, network in made.items():
                for widths in chosen[name]:
                    model, ours = network.onnx(widths), 0.0
                    for one, read in readings[name].items():
                        began = time.perf_counter()
                        found = read(model, ours)
                        seconds = time.perf_counter() - began
                        ours = seconds if one == OURS else ours
                        rows.append(
                            {"turn": turn, "network": name, "widths": widths, "protocol": one}
                            | {"value": found.value, "low": found.low, "high": found.high}
                            | {"seconds": seconds}
                        )
    return rows


def repeated(rows: list[dict[str, Any]]) -> dict[str, float]:
    """How each protocol agrees with itself: Kendall's tau, deviations, and what intervals cover."""
    found: dict[str, float] = {}
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        turns = {
            turn: [row for row in rows if (row["protocol"], row["turn"]) == (protocol, turn)]
            for turn in ("first", "loaded", "again")
        }
        first, loaded, again = (
            np.array([row["value"] for row in turns[turn]]) for turn in ("first", "loaded", "again")
        )
        name = protocol.replace(",", "").replace(" ", "_").replace("-", "_")
        mine = "" if protocol == OURS else f"_{name}"
        quiet = np.sqrt(first * again)
        networks = np.array([row["network"] for row in turns["first"]])
        found[f"tau_quiet{mine}"] = _tau(first, again, networks)
        found[f"tau_loaded{mine}"] = _tau(quiet, loaded, networks)
        found[f"seconds{mine}"] = statistics.mean(row["seconds"] for row in turns["first"])
        found[f"deviation_quiet{mine}"] = float(np.median(np.abs(first / again - 1)))
        found[f"deviation_loaded{mine}"] = float(np.median(np.abs(loaded / quiet - 1)))
        if protocol == OURS:
            covered = [
                row["low"] <= value <= row["high"]
                for row, value in zip(turns["loaded"], quiet, strict=True)
            ]
            found["coverage"] = float(np.mean(covered))
    return found


def _tau(one: NDArray[np.float64], other: NDArray[np.float64], networks: NDArray[np.str_]) -> float:
    """How alike two readings order the cuts of a network, Kendall's tau, its mean over networks."""
    return statistics.mean(
        float(kendalltau(one[networks == name], other[networks == name]).statistic)
        for name in np.unique(networks)
    )


def proxies(count: int, protocol: Protocol) -> list[dict[str, Any]]:
    """Order random cuts of each network by what is counted and by what is learned."""
    made = {name: Untrained.like(make()) for name, make in NETWORKS.items()}
    times = {name: layer_times(network, max(10, count // 5)) for name, network in made.items()}
    rows = []
    for name, network in made.items():
        dense = network.pruner.plan.widths
        drawn = cuts(network, count, np.random.default_rng(1))
        genomes = np.array(drawn, dtype=np.int64)
        meter = TargetMeter(network.onnx(dense), Target(), protocol)
        others = np.concatenate([known for other, known in times.items() if other != name])
        layers = Counts(network.pruner.plan, network.pruner.network).layers
        expected = layers_time(
            OperatorModel(others[:, :5], others[:, 5]),
            layers.fixed,
            layers.per_width,
            layers.positions,
        )
        latencies = np.array([meter(network.onnx(widths)).estimate.value for widths in drawn])
        costs = [network.cost(widths) for widths in drawn]
        row: dict[str, Any] = {"network": name, "candidates": count}
        for counted in ("macs", "params"):
            values = [getattr(cost, counted) for cost in costs]
            row[f"tau_{counted}"] = float(kendalltau(values, latencies).statistic)
        row["tau_layers"] = float(kendalltau(expected(genomes), latencies).statistic)
        for known in (5, 25, 50):
            if known < count:
                row |= learned(genomes, latencies, latency_model(dense), known, "")
                row |= learned(genomes, latencies, latency_model(dense, expected), known, "_prior")
        rows.append(row)
    return rows


def layer_times(network: Untrained, count: int) -> NDArray[np.float64]:
    """What layers take in so many cuts: five sizes and milliseconds, shape (layers, 6)."""
    dense = network.onnx(network.pruner.plan.widths)
    prepare = Preparation(dense, Target())
    drawn = cuts(network, count, np.random.default_rng(2))
    found = [
        astuple(one) for widths in drawn for one in operator_times(prepare(network.onnx(widths)))
    ]
    return np.array(found, dtype=np.float64)


def learned(
    genomes: NDArray[np.int64],
    latencies: NDArray[np.float64],
    model: Surrogate,
    known: int,
    label: str,
) -> dict[str, float]:
    """How a model predicts the other cuts after some of them."""
    mean, deviation = model(genomes[:known], latencies[:known])(genomes[known:])
    truth = latencies[known:]
    within = np.abs(mean - truth) <= 1.959964 * deviation
    return {
        f"tau_model_{known}{label}": float(kendalltau(mean, truth).statistic),
        f"median_error_{known}{label}": float(np.median(np.abs(mean / truth - 1))),
        f"within_interval_{known}{label}": float(within.mean()),
    }


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """Draw the staircase: latency with its interval, and MACs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    shares = [100 * row["share"] for row in rows]
    axes.plot(shares, [row["macs"] for row in rows], color="#9aa5b1", label="MACs")
    axes.fill_between(
        shares,
        [row["low"] for row in rows],
        [row["high"] for row in rows],
        step="mid",
        color="#0b7285",
        alpha=0.3,
        linewidth=0,
    )
    latencies = [row["latency"] for row in rows]
    axes.step(shares, latencies, where="mid", color="#0b7285", label="latency, 95 % interval")
    axes.set_xlabel("Inner channels kept (%)")
    axes.set_ylabel("Relative to the dense network")
    axes.set_xlim(100, 10)
    axes.set_ylim(0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)


def table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Rows for people."""
    made = Table(title=title)
    for heading in rows[0]:
        made.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        cells = (row.get(heading, "") for heading in rows[0])
        made.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells))
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer networks, shorter rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--picture", type=Path, help="draw the staircase there")
    options = parser.parse_args()
    quick: bool = options.quick
    protocol = Protocol(seconds=0.1, patience=3.0) if quick else Protocol()
    cores = split_cores(1)
    other = min(cores.others, default=None)
    with confined(cores.profiler):
        stairs = staircase(
            [percent / 100 for percent in range(100, 9, -10 if quick else -2)], protocol
        )
        turns = repeatability(3 if quick else 10, protocol, other)
        ranked = proxies(30 if quick else 100, protocol)
    summary = {f"latency_at_{round(100 * row['share'])}": row["latency"] for row in stairs}
    summary |= repeated(turns)
    summary |= {
        f"{key}_{row['network'].replace('-', '').lower()}": value
        for row in ranked
        for key, value in row.items()
        if isinstance(value, float)
    }
    if options.picture:
        draw(stairs, options.picture)
    if options.json:
        rows = {"staircase": stairs, "repeatability": turns, "proxies": ranked}
        print(json.dumps({"summary": summary, **rows}))
        return
    console = Console(width=150)
    console.print(table("ResNet-56, relative to dense", stairs))
    console.print(
        table(
            "The same networks again", [{"what": k, "value": v} for k, v in repeated(turns).items()]
        )
    )
    columns = [
        {"what": what, **{row["network"]: row[what] for row in ranked if what in row}}
        for what in ranked[0]
        if what != "network"
    ]
    console.print(table("Proxies of the latency", columns))


if __name__ == "__main__":
    main()
