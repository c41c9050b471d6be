"""How long from a genome to a network that runs? Ours beside torch-pruning, on the same cuts.

    python benchmarks/surgery.py [--quick] [--json]

Ours: index-selects over the plan, then the tensors put into the ONNX graph that was exported once.
The peer: deepcopy, dependency graph, pruning, export (torch.onnx.export by TorchScript, the faster
of PyTorch's two exporters). Random widths in every inner group, one thread, both in the same run,
in turn. What is done once a network - tracing and exporting - is stated apart.
"""

import argparse
import copy
import gc
import io
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch_pruning
import torchvision
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from secateur.methods.networks import cifar_resnet
from secateur.methods.pruning.criteria import Kept
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import Plan, trace
from secateur.methods.pruning.surgery import Pruner, fit
from secateur.methods.tensors.weights import state_of


def measure(network: nn.Module, example: Tensor, repeats: int) -> dict[str, float]:
    """Return medians of seconds, for us and for the peer, and the bytes that a candidate takes."""
    started = time.perf_counter()
    plan = trace(network, example)
    traced = time.perf_counter()
    template = OnnxTemplate(export(network, example))
    exported = time.perf_counter()
    pruner = Pruner.by("l2", network, plan)
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        widths = [max(1, round(width * rng.uniform(0.3, 0.7))) for width in plan.widths]
        state, slicing = _timed(lambda widths=widths: pruner.sliced_state(widths))
        cut, seconds = _timed(lambda state=state: fit(network, state, shared=True))
        times.setdefault("ours_torch", []).append(slicing + seconds)
        model, seconds = _timed(lambda state=state: template.fill(state))
        times.setdefault("ours_onnx", []).append(seconds)
        kept = pruner.kept(widths)
        pruned, seconds = _timed(lambda kept=kept: pruned_by_peer(network, example, plan, kept))
        times.setdefault("peer_torch", []).append(seconds)
        _, seconds = _timed(lambda pruned=pruned: exported_by_peer(pruned, example))
        times.setdefault("peer_onnx", []).append(seconds)
        _check(cut, pruned, example)
    found = {name: statistics.median(values) for name, values in times.items()}
    own = {t.data_ptr() for t in state_of(network).values()}
    return found | {
        "trace_once": traced - started,
        "export_once": exported - traced,
        "new_bytes": sum(
            t.numel() * t.element_size() for t in state_of(cut).values() if t.data_ptr() not in own
        ),
        "own_bytes": sum(t.numel() * t.element_size() for t in state_of(cut).values()),
        "onnx_bytes": len(model),
    }


def pruned_by_peer(network: nn.Module, example: Tensor, plan: Plan, kept: Kept) -> nn.Module:
    """Cut the same channels by torch-pruning."""
    smaller = copy.deepcopy(network)
    graph = torch_pruning.DependencyGraph().build_dependency(
        smaller, example_inputs=example, verbose=False
    )
    for group, stay in zip(plan.groups, kept, strict=True):
        gone = np.setdiff1d(np.arange(group.width), stay).tolist()
        if gone:
            layer = smaller.get_submodule(group.name)
            graph.get_pruning_group(layer, torch_pruning.prune_conv_out_channels, gone).prune()
    return smaller


def exported_by_peer(network: nn.Module, example: Tensor) -> bytes:
    """Export by PyTorch's TorchScript exporter."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), buffer, dynamo=False, dynamic_axes={"input": {0: "batch"}},
            input_names=["input"], output_names=["output"],
        )  # fmt: skip
    return buffer.getvalue()


def _check(ours: nn.Module, theirs: nn.Module, example: Tensor) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(ours(example), theirs(example), rtol=1e-3, atol=1e-4)


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    gc.collect()
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = {
        "resnet56": (cifar_resnet(56).eval(), torch.randn(1, 3, 32, 32)),
        "resnet50": (torchvision.models.resnet50().eval(), torch.randn(1, 3, 224, 224)),
    }
    repeats = 3 if options.quick else 11
    found = {name: measure(*given, repeats) for name, given in networks.items()}
    summary: dict[str, float] = {}
    for name, row in found.items():
        ours, peer = row["ours_torch"] + row["ours_onnx"], row["peer_torch"] + row["peer_onnx"]
        summary[f"peer_over_ours_{name}"] = peer / ours
        summary[f"peer_over_ours_torch_{name}"] = row["peer_torch"] / row["ours_torch"]
        summary[f"ours_ms_{name}"] = 1e3 * ours
        summary[f"peer_ms_{name}"] = 1e3 * peer
    if options.json:
        print(json.dumps({"summary": summary, "seconds": found}))
        return
    table = Table(title="From a genome to a network that runs (ms, median)")
    for heading in ("network", "step", "ours", "torch-pruning", "ratio"):
        table.add_column(heading, justify="left" if heading in ("network", "step") else "right")
    for name, row in found.items():
        both = [(step, row[f"ours_{step}"], row[f"peer_{step}"]) for step in ("torch", "onnx")]
        both.append(("both", *(sum(column) for column in list(zip(*both, strict=True))[1:])))
        for step, ours, peer in both:
            cells = f"{1e3 * ours:.2f}", f"{1e3 * peer:.1f}", f"{peer / ours:.1f}x"
            table.add_row(name, step, *cells)
        table.add_row(
            name, "once", f"{row['trace_once']:.1f} s tracing, {row['export_once']:.1f} s exporting"
        )
        mebi = 2.0**20
        table.add_row(
            name, "memory", f"{row['new_bytes'] / mebi:.1f} of {row['own_bytes'] / mebi:.1f} MiB"
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
