"""Record real evaluations, so that searches can be compared on them in seconds.

    python benchmarks/landscape.py [--data-root DATA] [--network resnet20]
                                   [--folder runs/landscape] [--quick] [--json]

DATA holds CIFAR-10 and the published weights; by default it is what SECATEUR_TEST_DATA names.

Half of the networks are spread over the space (HAMP's initial design), half lie near the front
(HAMP itself), by ordinary runs with seeds of their own: error on CIFAR-10's search split after
recalibration, latency in ONNX Runtime, memory. Each run that is complete is written to
`benchmarks/data/NETWORK.parquet`; those that are there are not made again, one that was killed is
resumed from the folder, and Ctrl-C writes what there is of one. Hours on two cores. `--quick` makes
one small run of each kind and writes into the folder instead; without data it does nothing.
"""

import argparse
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from rich.console import Console
from rich.table import Table

import secateur
from secateur.cluster.config import Config, read_config

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"


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
        }
        if self.kind == "spread":
            overrides["search.population"] = self.size
        return read_config(EXAMPLES / f"cifar10-{self.network}.yaml", overrides)


def batches(network: str, quick: bool) -> Iterator[Batch]:
    """All runs of a network, the two kinds in turn."""
    size = 4 if quick else {"resnet20": 150, "resnet56": 100}[network]
    count = 1 if quick else {"resnet20": 5, "resnet56": 3}[network]
    for seed in range(100, 100 + count):
        for kind in ("spread", "front"):
            yield Batch(network, kind, seed, size)


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
                for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
            "macs": member.macs,
            "params": member.params,
        }
        for member in run.results().members
    ]


def main() -> None:
    """Record what is missing and tell what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, default=os.environ.get("SECATEUR_TEST_DATA"))
    parser.add_argument("--network", choices=["resnet20", "resnet56"], default="resnet20")
    parser.add_argument("--folder", type=Path, help="keep the runs there, and go on with them")
    parser.add_argument("--quick", action="store_true", help="two runs of four evaluations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.data_root is None:
        if not options.quick:
            parser.error("nothing to measure: give the folder with the data by --data-root")
        print(json.dumps({"summary": {}}) if options.json else "no data: nothing recorded")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        target = (folder if options.quick else HERE / "data") / f"{options.network}.parquet"
        rows = pyarrow.parquet.read_table(target).to_pylist() if target.exists() else []
        there = {(row["kind"], row["seed"]) for row in rows}
        for batch in batches(options.network, options.quick):
            if (batch.kind, batch.seed) in there:
                continue
            made = record(batch, options.data_root, folder)
            rows += made
            target.parent.mkdir(parents=True, exist_ok=True)
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), target)
            Console(stderr=True).print(f"{batch}: {len(rows)} networks in {target}")
            if len(made) < batch.size:
                break
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("spread", "front")}
    summary = {"networks": len(rows)} | {f"{kind}": len(found) for kind, found in kinds.items()}
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    table = Table(title=f"Recorded networks, {options.network}")
    for heading in ("kind", "networks", "least error (%)", "least latency (ms)"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, found in kinds.items():
        least = (min(row[name] for row in found) for name in ("error", "latency_ms"))
        error, latency = least
        table.add_row(kind, str(len(found)), f"{100 * error:.1f}", f"{latency:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
