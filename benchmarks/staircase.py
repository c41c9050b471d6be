"""Is a network with fewer channels faster? ResNet-56, the same share kept in every inner group.

    python benchmarks/staircase.py [--quick] [--json]

Random weights: latency does not depend on them. Widths are kept to the channel, not to a grid, so
that the steps show. Latency in ONNX Runtime, one image, one thread, relative to the dense network,
beside the share of MACs.
"""

import argparse
import json

import torch
from rich.console import Console
from rich.table import Table

from secateur.methods.cost_model import CostModel
from secateur.methods.latency import LatencyMeter, Protocol
from secateur.methods.memory import MemoryModel
from secateur.methods.networks import cifar_resnet, initialised
from secateur.methods.onnx_graph import OnnxTemplate, export
from secateur.methods.plan import trace
from secateur.methods.surgery import Pruner
from secateur.methods.weights import shapes_of

SHAPE = (3, 32, 32)


def measure(shares: list[float], seconds: float) -> list[dict[str, float]]:
    """Return share, MACs and latency with its interval, all relative to dense, for every share."""
    torch.set_num_threads(1)
    network = initialised(cifar_resnet(56), seed=0).eval()
    example = torch.zeros(1, *SHAPE)
    pruner = Pruner.by("l2", network, trace(network, example))
    template = OnnxTemplate(export(network, example))
    cost = CostModel(
        pruner.plan,
        shapes_of(pruner.state),
        [name for name, _ in network.named_parameters()],
        MemoryModel(pruner.plan, shapes_of(pruner.state), template, shape=SHAPE),
        batch=1,
    )
    meter = LatencyMeter(template.fill(pruner.state), SHAPE, Protocol(seconds=seconds))
    dense = pruner.plan.widths
    rows = []
    for share in shares:
        widths = [max(1, round(share * width)) for width in dense]
        found = meter(template.fill(pruner.sliced_state(widths)))
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
