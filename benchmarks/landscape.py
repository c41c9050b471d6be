"""Record real evaluations, so that searches can be compared on them in seconds.

    python benchmarks/landscape.py [--data-root DATA] [--network resnet20] [--time]
                                   [--folder runs/landscape] [--quick] [--json]

DATA holds CIFAR-10 and the published weights; by default it is what SECATEUR_TEST_DATA names.

Half of the networks are spread over the space (HAMP's initial design), half lie near the front
(HAMP itself), by ordinary runs with seeds of their own: error on CIFAR-10's search split after
recalibration, and memory. Each complete run is written to `benchmarks/data/NETWORK.parquet`; those
that are there are not made again, one that was killed is resumed from the folder, and Ctrl-C writes
what there is of one. Hours on two cores, which may do other work meanwhile: the latencies of these
runs are rough and not kept. `--time` then measures latencies, of all networks that have none,
in random order, one image at a time and four: minutes that want an idle machine. `--quick` makes
one small run of each kind, times it and writes into the folder instead; without data it does
nothing.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from rich.console import Console
from rich.table import Table
from untrained import Untrained

import secateur
from secateur.cluster.settings.config import Config, read_config
from secateur.methods.measuring.latency import Protocol
from secateur.methods.measuring.target import Target
from secateur.methods.measuring.target_meter import TargetMeter
from secateur.search.candidate import Estimate

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
DEVICES = {
    "latency_ms": Target(),
    "latency_batch_ms": Target(batch=4),
}
"""What counts as two devices: one image at a time, and four."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of the recording."""

    network: str
    kind: str  # spread or front
    seed: int
    size: int

    def config(self, root: Path) -> Config:
        """The example's configuration, with this batch's seed and budget."""
        overrides: dict[str, Any] = {
            "data.root": str(root),
            "search.seed": self.seed,
            "search.evaluations": self.size,
            "search.final": "picks",
            "latency.seconds": 0.1,  # roughly, for the search to go by
            "latency.interval": 0.1,
        }
        if self.kind == "spread":
            overrides["search.population"] = self.size
        return read_config(EXAMPLES / f"cifar10-{self.network}.yaml", overrides)


def batches(network: str, quick: bool) -> Iterator[tuple[Batch, int]]:
    """All runs of a network, the two kinds in turn, each with how many networks its kind wants."""
    size = 4 if quick else {"resnet20": 150, "resnet56": 100}[network]
    wanted = 4 if quick else {"resnet20": 750, "resnet56": 300}[network]
    for seed in itertools.count(100):
        for kind in ("spread", "front"):
            yield Batch(network, kind, seed, size), wanted


def record(batch: Batch, root: Path, folder: Path) -> list[dict[str, Any]]:
    """Make a run, or go on with it, and return a row for every network that it measured.

    An interrupt ends it early.
    """
    path = folder / f"{batch.network}-{batch.kind}-{batch.seed}"
    known = (path / "journal.db").exists()
    with contextlib.suppress(KeyboardInterrupt):  # what is measured by then counts
        if known:
            secateur.open_run(path).resume()
        else:
            secateur.launch(batch.config(root), path)
    run = secateur.open_run(path)
    return [
        {
            "kind": batch.kind,
            "seed": batch.seed,
            "number": member.id,
            "origin": member.origin,
            "widths": list(member.widths),
            **{
                f"{name}{suffix}": getattr(estimate, part)
                for name, estimate in member.objectives.items()
                if name != "latency_ms"
                for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
            "macs": member.macs,
            "params": member.params,
        }
        for member in run.results().members
    ]


def time_all(network: str, target: Path) -> None:
    """Measure the latencies that are missing; write them every hundred networks.

    Every latency is a multiple of the dense network's, which is known in milliseconds from the
    first time on: a machine that is faster or slower today changes nothing.
    """
    rows = pyarrow.parquet.read_table(target).to_pylist()
    untrained = Untrained.of(int(network.removeprefix("resnet")))
    meters = {
        name: TargetMeter(
            untrained.onnx(untrained.pruner.plan.widths),
            target,
            Protocol(seconds=0.15),
            reference_ms=dense_latency(rows, name),
        )
        for name, target in DEVICES.items()
    }
    missing = [row for row in rows if row.get(next(iter(DEVICES))) is None]
    order = np.random.default_rng(0).permutation(len(missing))
    for count, index in enumerate(order, 1):
        row = missing[index]
        model = untrained.onnx(row["widths"])
        for name, meter in meters.items():
            found = meter(model)
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        if count % 100 == 0 or count == len(order):
            write(rows, target)
            Console(stderr=True).print(f"{count} of {len(order)} timed")


def dense_latency(rows: list[dict[str, Any]], device: str) -> Estimate | None:
    """The middle one of those measured so far, if there are any."""
    known = sorted(
        (row[device], row[f"{device}_low"], row[f"{device}_high"])
        for row in rows
        if row["origin"] == "dense" and row.get(device) is not None
    )
    return Estimate(*known[len(known) // 2]) if known else None


def write(rows: list[dict[str, Any]], target: Path) -> None:
    """Write all rows; what some of them lack is null."""
    names = dict.fromkeys(name for row in rows for name in row)
    target.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pydict({name: [row.get(name) for row in rows] for name in names})
    pyarrow.parquet.write_table(table, target)


def main() -> None:
    """Record what is missing and tell what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, default=os.environ.get("SECATEUR_TEST_DATA"))
    parser.add_argument("--network", choices=["resnet20", "resnet56"], default="resnet20")
    parser.add_argument("--folder", type=Path, help="keep the runs there, and go on with them")
    parser.add_argument(
        "--time", action="store_true", help="measure the latencies that are missing"
    )
    parser.add_argument("--quick", action="store_true", help="two runs of four evaluations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.data_root is None and not options.time:
        if not options.quick:
            parser.error("nothing to measure: give the folder with the data by --data-root")
        print(json.dumps({"summary": {}}) if options.json else "no data: nothing recorded")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        target = (folder if options.quick else HERE / "data") / f"{options.network}.parquet"
        rows = pyarrow.parquet.read_table(target).to_pylist() if target.exists() else []
        there = {(row["kind"], row["seed"]) for row in rows}
        for batch, wanted in batches(options.network, options.quick):
            counts = Counter(row["kind"] for row in rows)
            if options.time or min(counts["spread"], counts["front"]) >= wanted:
                break
            if (batch.kind, batch.seed) in there or counts[batch.kind] >= wanted:
                continue
            made = record(batch, options.data_root, folder)
            rows += made
            write(rows, target)
            Console(stderr=True).print(f"{batch}: {len(rows)} networks in {target}")
            if len(made) < batch.size:
                break
        if options.time or options.quick:
            time_all(options.network, target)
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("spread", "front")}
    summary = {"networks": len(rows)} | {f"{kind}": len(found) for kind, found in kinds.items()}
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    table = Table(title=f"Recorded networks, {options.network}")
    for heading in ("kind", "networks", "least error (%)"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, found in kinds.items():
        least = min((row["error"] for row in found), default=math.nan)
        table.add_row(kind, str(len(found)), f"{100 * least:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
