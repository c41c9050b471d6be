"""How long to measure one candidate's error? Ours beside a zero-masked dense network, in one run.

    python benchmarks/evaluation.py [--quick] [--json]

ResNet-56, half of every inner group: BatchNorm recalibrated on 1,000 images, 2,500 images counted,
one thread. The peer is what pruning libraries that mask leave to eager PyTorch: the dense network
with zeros in it. Random weights and images, on which time does not depend. How far a form is from
what this core can do is told by its multiply-adds a second beside those of a large matrix product,
measured in the same run.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from secateur.methods.measuring.session import open_session
from secateur.methods.models.accuracy import predictions, recalibrate
from secateur.methods.networks import cifar_resnet, initialised
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.onnx_graph import INPUT, OnnxTemplate, export
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner
from secateur.methods.tensors.weights import state_of

PEER, OURS = "masked, PyTorch", "sliced, channels last (ours)"
ONNX_BATCH = 50


def measure(recalibrated: int, counted: int, repeats: int) -> tuple[dict[str, Any], float]:
    """Return each form's median seconds and multiply-adds, and the peak in multiply-adds a second.

    A form's entry holds `recalibration`, `evaluation` and `macs` (of one image).
    """
    network = initialised(cifar_resnet(56), seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(recalibrated + counted, 3, 32, 32, generator=generator)
    contiguous = images.split([recalibrated, counted])
    last = [part.contiguous(memory_format=torch.channels_last) for part in contiguous]
    pruner = Pruner.by("l2", network, trace(network, images[:1]))
    template = OnnxTemplate(export(network, images[:1]))
    halves = tuple(width // 2 for width in pruner.plan.widths)
    counted = Counts(pruner.plan, network).macs(np.array([pruner.plan.widths, halves]))
    macs = dict(zip(("masked", "sliced"), counted.tolist(), strict=True))

    def sliced() -> nn.Module:
        return pruner.cut(halves, shared=True).to(memory_format=torch.channels_last)

    forms: dict[str, tuple[Callable[[], nn.Module], Any]] = {
        PEER: (lambda: pruner.masked(halves), contiguous),
        "masked, channels last": (
            lambda: pruner.masked(halves).to(memory_format=torch.channels_last), last,
        ),
        "sliced, PyTorch": (lambda: pruner.cut(halves, shared=True), contiguous),
        OURS: (sliced, last),
    }  # fmt: skip
    seconds: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        answers = {}
        for name, (make, (first, second)) in forms.items():
            ready, recalibration = _timed(lambda make=make, first=first: recalibrate(make(), first))
            answers[name], evaluation = _timed(
                lambda ready=ready, second=second: predictions(ready, second)
            )
            seconds.setdefault(name, []).append((recalibration, evaluation))
        name = "sliced, ONNX Runtime"
        answers[name], evaluation = _timed(
            lambda ready=ready: _by_onnx(template.fill(state_of(ready)), contiguous[1])
        )
        seconds.setdefault(name, []).append((recalibration, evaluation))
        for name, answer in answers.items():
            agree = (answer == answers[OURS]).float().mean()
            assert agree > 0.99, f"{name} agrees with ours on {agree:.1%} of the images"
    found = {
        name: {
            "recalibration": statistics.median(first for first, _ in times),
            "evaluation": statistics.median(second for _, second in times),
            "macs": macs[name.split(",")[0]],
        }
        for name, times in seconds.items()
    }
    return found, _peak()


def _by_onnx(model: bytes, inputs: Tensor) -> Tensor:
    opened = open_session(model)
    return torch.from_numpy(
        np.concatenate(
            [
                opened.run(None, {INPUT: part.numpy()})[0].argmax(axis=1)
                for part in inputs.split(ONNX_BATCH)
            ]
        )
    )


def _peak(size: int = 2048) -> float:
    """Multiply-adds a second in a large matrix product, the best of several."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    best = min(_timed(lambda: one @ other)[1] for _ in range(8))
    return size**3 / best


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer images, one repetition")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recalibrated, counted, repeats = (200, 500, 1) if options.quick else (1000, 2500, 5)
    found, peak = measure(recalibrated, counted, repeats)
    totals = {name: row["recalibration"] + row["evaluation"] for name, row in found.items()}
    rates = {
        name: row["macs"] * (recalibrated + counted) / totals[name] for name, row in found.items()
    }
    summary = {
        "masked_over_ours_resnet56": totals[PEER] / totals[OURS],
        "ours_s_resnet56": totals[OURS],
        "ours_share_of_peak": rates[OURS] / peak,
        "peak_gmacs_per_s": peak / 1e9,
    }
    if options.json:
        print(json.dumps({"summary": summary, "seconds": found}))
        return
    table = Table(
        title=f"One candidate's error: {recalibrated} images to recalibrate, {counted} to count; "
        f"this core's peak is {peak / 1e9:.0f} G multiply-adds a second"
    )
    for heading in ("form", "recalibration (s)", "evaluation (s)", "G/s", "of peak", "masked/this"):
        table.add_column(heading, justify="left" if heading == "form" else "right")
    for name, row in found.items():
        table.add_row(
            name,
            *(f"{row[step]:.2f}" for step in ("recalibration", "evaluation")),
            f"{rates[name] / 1e9:.0f}",
            f"{rates[name] / peak:.0%}",
            f"{totals[PEER] / totals[name]:.2f}x",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
