"""Certificate: proof that a handed-out network computes what was measured."""

import importlib.metadata
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..measuring.session import open_session
from .onnx_graph import INPUT, OnnxTemplate
from .surgery import Pruner

TOLERANCE = 1e-4
"""Largest difference of logits allowed, relative to the largest logit."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Largest differences of logits on real images, relative to the largest logit.

    `masked_vs_sliced` compares the dense network with zeroed channels and the cut one, before
    recalibration; `torch_vs_onnx` the network handed out and its ONNX graph.
    """

    masked_vs_sliced: float
    torch_vs_onnx: float
    images: int
    tolerance: float
    versions: dict[str, str]

    @property
    def holds(self) -> bool:
        """Whether both differences are within the tolerance."""
        return self.masked_vs_sliced <= self.tolerance and self.torch_vs_onnx <= self.tolerance

    def __str__(self) -> str:
        """What differs from what, and by how much."""
        return (
            f"its ONNX graph differs from PyTorch by {self.torch_vs_onnx:.1e}, the sliced network "
            f"from the masked one by {self.masked_vs_sliced:.1e} (allowed {self.tolerance:.0e})"
        )

    def as_json(self) -> dict[str, Any]:
        """The certificate as a JSON object."""
        return {**asdict(self), "holds": self.holds}


def certify(
    pruner: Pruner, genome: tuple[int, ...], network: nn.Module, model: bytes, inputs: Tensor
) -> Certificate:
    """Compare the masked, the sliced and the ONNX form of a candidate on real inputs."""
    with torch.inference_mode():
        masked, sliced = pruner.masked(genome)(inputs), pruner.cut(genome)(inputs)
        handed_out = network.eval()(inputs)
    (logits,) = open_session(model).run(None, {INPUT: np.ascontiguousarray(inputs.numpy())})
    return Certificate(
        masked_vs_sliced=_difference(masked, sliced),
        torch_vs_onnx=_difference(handed_out, torch.from_numpy(logits)),
        images=len(inputs),
        tolerance=TOLERANCE,
        versions={
            name: importlib.metadata.version(name) for name in ("torch", "onnx", "onnxruntime")
        },
    )


def verify_plan(pruner: Pruner, inputs: Tensor) -> None:
    """Cut every group once and refuse a network whose groups are not what the plan says."""
    dense = pruner.plan.widths
    halves = tuple(max(1, width // 2) for width in dense)
    if _cut_error(pruner, halves, inputs) <= TOLERANCE:
        return
    for index, group in enumerate(pruner.plan.groups):
        alone = (*dense[:index], halves[index], *dense[index + 1 :])
        if (error := _cut_error(pruner, alone, inputs)) > TOLERANCE:
            raise ValueError(
                f"the channels of {group.name} cannot be cut exactly: masked and sliced networks "
                f"differ by {error:.1e} (allowed {TOLERANCE:.0e}); name it under pruning.ignore"
            )
    raise ValueError(
        "the network cannot be cut exactly: its groups are not independent of each other"
    )


def verify_graph(pruner: Pruner, template: OnnxTemplate, inputs: Tensor) -> None:
    """Cut every group once and refuse a network whose ONNX graph does not follow."""
    name, dense = type(pruner.network).__name__, pruner.plan.widths
    if not (error := _graph_error(pruner, template, dense, inputs)) <= TOLERANCE:
        raise ValueError(
            f"the ONNX graph of {name} differs from PyTorch by {error:.1e} before anything is cut "
            f"(allowed {TOLERANCE:.0e}): the export is wrong, or the weights magnify rounding"
        )
    halves = tuple(max(1, width // 2) for width in dense)
    if not (error := _graph_error(pruner, template, halves, inputs)) <= TOLERANCE:
        raise ValueError(
            f"the ONNX graph of {name} cannot be cut exactly: it differs from PyTorch by "
            f"{error:.1e} (allowed {TOLERANCE:.0e})"
        )


def _graph_error(
    pruner: Pruner, template: OnnxTemplate, widths: tuple[int, ...], inputs: Tensor
) -> float:
    with torch.inference_mode():
        expected = pruner.cut(widths, shared=True)(inputs)
    try:
        opened = open_session(template.fill(pruner.sliced_state(widths)))
        (logits,) = opened.run(None, {INPUT: np.ascontiguousarray(inputs.numpy())})
    except Exception as error:  # ONNX Runtime has no exception class of its own to name
        raise ValueError(
            f"the ONNX graph of {type(pruner.network).__name__} cannot be cut: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return _difference(expected, torch.from_numpy(logits))


def _cut_error(pruner: Pruner, widths: tuple[int, ...], inputs: Tensor) -> float:
    try:
        with torch.inference_mode():
            return _difference(pruner.masked(widths)(inputs), pruner.cut(widths)(inputs))
    except RuntimeError:  # shapes that do not fit: the plan missed a reader of the channels
        return float("inf")


def _difference(expected: Tensor, got: Tensor) -> float:
    return float((expected - got).abs().max()) / (float(expected.abs().max()) or 1.0)
