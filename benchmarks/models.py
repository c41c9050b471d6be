"""Which networks can be cut? A row for each: groups, MACs at half width, certificate.

    python benchmarks/models.py [--quick] [--json] [--write docs/models.md]

Every network has random weights, and BatchNorm calibrated on scikit-learn's two sample photographs.
It is cut to half of its channels in each scope; the masked, the sliced and the ONNX form are
compared on the photographs.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from secateur.methods.data.photographs import photographs
from secateur.methods.models.accuracy import recalibrate
from secateur.methods.models.named import Model, load_model
from secateur.methods.pruning.certificate import certify, verify_graph, verify_plan
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import Scope, trace
from secateur.methods.pruning.surgery import Pruner
from secateur.methods.tensors.weights import state_of

CIFAR = "secateur.methods.networks"
NETWORKS = (
    *(f"{CIFAR}:cifar_{name}" for name in ("vgg16_bn", "mobilenet_v1", "mobilenet_v2")),
    *(
        f"torchvision:{name}"
        for name in (
            *("alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet50", "resnext50_32x4d"),
            *("wide_resnet50_2", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
            *("efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf", "regnet_y_400mf"),
            *("densenet121", "googlenet", "inception_v3", "mnasnet1_0", "squeezenet1_1"),
            *("shufflenet_v2_x1_0", "convnext_tiny", "vit_b_16", "swin_t"),
        )
    ),
)
RESNETS = (20, 32, 44, 56, 110)
QUICK = (f"{CIFAR}:cifar_vgg16_bn", "torchvision:squeezenet1_1")


def examine(model: Model) -> dict[str, Any]:
    """Cut a network in both scopes; say what came of it."""
    torch.manual_seed(0)
    for parameter in model.network.parameters():
        if parameter.ndim > 1:  # so that signals reach the end
            nn.init.kaiming_normal_(parameter)
    inputs = photographs(model.shape, model.normalisation)
    recalibrate(model.network, inputs)  # and keep their size, as in a trained network
    row: dict[str, Any] = {"network": model.name, "input": list(model.shape)}
    try:
        graph = OnnxTemplate(export(model.network, inputs[:1]))
        for scope in ("inner", "coupled"):
            row[scope] = _cut(model, graph, inputs, scope)
    except ValueError as error:
        row["refused"] = str(error)
    return row


def _cut(model: Model, graph: OnnxTemplate, inputs: torch.Tensor, scope: Scope) -> dict[str, Any]:
    plan = trace(model.network, inputs[:1], scope=scope)
    pruner = Pruner.by("l2", model.network, plan)
    verify_plan(pruner, inputs)
    verify_graph(pruner, graph, inputs)
    halves = tuple(max(1, width // 2) for width in plan.widths)
    network = pruner.cut(halves)
    proof = certify(pruner, halves, network, graph.fill(state_of(network)), inputs)
    dense, cut = (
        Counts(plan, model.network).macs(np.array([plan.widths, halves])).astype(int).tolist()
    )
    held = Counter(reason.split(" in ")[0] for _, reason in plan.skipped)
    return {
        "groups": len(plan.groups),
        "dense_macs": dense,
        "macs_share": cut / dense,
        "certificate": max(proof.masked_vs_sliced, proof.torch_vs_onnx),
        "holds": proof.holds,
        "left_alone": dict(held),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The support matrix as a page."""
    lines = [
        "# Models",
        "",
        "Made by `python benchmarks/models.py --write docs/models.md`. Random weights, BatchNorm",
        "calibrated on two photographs; half of every group's channels are kept; the certificate",
        "is the largest difference of logits between the masked, the sliced and the ONNX form on",
        "the photographs, relative to the largest logit (allowed: 1e-4). Left alone are layers",
        "whose channels must stay, by what holds them.",
        "",
        "| network | MACs (M) | scope | groups | MACs at half width | certificate | left alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["network"].removeprefix(f"{CIFAR}:")
        if "refused" in row:
            lines.append(f"| {name} | | | refused | | | {row['refused']} |")
            continue
        for scope in ("inner", "coupled"):
            found = row[scope]
            alone = ", ".join(f"{why} ({n})" for why, n in found["left_alone"].items())
            lines.append(
                f"| {name} | {found['dense_macs'] / 1e6:.2f} | {scope} | {found['groups']} "
                f"| {found['macs_share']:.2f}x | {found['certificate']:.0e} | {alone} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Examine and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two networks only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", type=Path, help="write the page here")
    options = parser.parse_args()
    rows = []
    for name in QUICK if options.quick else NETWORKS:
        shape = (3, 32, 32) if name.startswith(CIFAR) else None
        rows.append(examine(load_model(name, shape=shape)))
        Console(stderr=True).print(f"{name} done")
    for depth in () if options.quick else RESNETS:
        name = f"{CIFAR}:cifar_resnet"
        rows.append(examine(_cifar_resnet(name, depth)))
    if options.write:
        options.write.write_text(markdown(rows))
    followed = [row for row in rows if "refused" not in row]
    worst = max(row[scope]["certificate"] for row in followed for scope in ("inner", "coupled"))
    summary = {"networks": len(rows), "refused": len(rows) - len(followed), "worst": worst}
    if options.json:
        print(json.dumps({"summary": summary, "rows": rows}))
        return
    table = Table(title="Networks at half width")
    for heading in ("network", "scope", "groups", "MACs", "certificate"):
        table.add_column(heading)
    for row in rows:
        if "refused" in row:
            table.add_row(row["network"], "refused", "", "", row["refused"])
            continue
        for scope in ("inner", "coupled"):
            found = row[scope]
            share, proof = f"{found['macs_share']:.2f}x", f"{found['certificate']:.0e}"
            table.add_row(row["network"], scope, str(found["groups"]), share, proof)
    Console(width=120).print(table)


def _cifar_resnet(factory: str, depth: int) -> Model:
    from secateur.methods.models.exported import build
    from secateur.methods.models.named import IMAGENET

    arguments = {"depth": depth}
    network = build(factory, arguments).eval()
    return Model(f"cifar_resnet {depth}", factory, arguments, network, (3, 32, 32), IMAGENET)


if __name__ == "__main__":
    main()
