"""Is a network with fewer channels faster? ResNet-56, the same share kept in every inner group.

    python benchmarks/staircase.py [--quick] [--json]

Random weights: latency does not depend on them. Widths are kept to the channel, not to a grid, so
that the steps show. Latency in ONNX Runtime, one image, one thread, relative to the dense network,
beside the share of MACs.
"""

import argparse
import json

from rich.console import Console
from rich.table import Table
from untrained import Untrained

from secateur.methods.latency import Protocol
from secateur.methods.target import Target
from secateur.methods.target_meter import TargetMeter


def measure(shares: list[float], seconds: float) -> list[dict[str, float]]:
    """Return share, MACs and latency with its interval, all relative to dense, for every share."""
    network = Untrained.of(56)
    dense, cost = network.pruner.plan.widths, network.cost
    meter = TargetMeter(network.onnx(dense), Target(), Protocol(seconds=seconds))
    rows = []
    for share in shares:
        widths = [max(1, round(share * width)) for width in dense]
        found = meter(network.onnx(widths)).estimate
        rows.append(
            {
                "share": share,
                "macs": cost(widths).macs / cost(dense).macs,
                "latency": found.value / meter.reference_ms.value,
                "low": found.low / meter.reference_ms.value,
                "high": found.high / meter.reference_ms.value,
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer shares, shorter rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    percents = range(100, 9, -10) if options.quick else range(100, 9, -2)
    rows = measure([p / 100 for p in percents], seconds=0.3 if options.quick else 1.0)
    summary = {f"latency_at_{round(100 * row['share'])}": row["latency"] for row in rows}
    if options.json:
        print(json.dumps({"summary": summary, "rows": rows}))
        return
    table = Table(title="ResNet-56, relative to dense")
    for heading in ("channels kept", "MACs", "latency", "95 % interval"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            f"{row['share']:.0%}",
            f"{row['macs']:.3f}",
            f"{row['latency']:.3f}",
            f"{row['low']:.3f} - {row['high']:.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
