"""Networks for CIFAR with random weights: their costs and latencies are those of trained ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from secateur.methods.networks import cifar_resnet, initialised
from secateur.methods.pruning.cost_model import CostModel
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner

SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class Untrained:
    """A network that can be cut, exported and counted."""

    pruner: Pruner
    template: OnnxTemplate
    cost: CostModel

    @classmethod
    def of(cls, depth: int) -> "Untrained":
        """Build a ResNet of 20, 32, 44, 56 or 110 layers."""
        return cls.like(cifar_resnet(depth))

    @classmethod
    def like(cls, network: nn.Module) -> "Untrained":
        """Draw the weights of a network."""
        torch.set_num_threads(1)
        network = initialised(network, seed=0).eval()
        example = torch.zeros(1, *SHAPE)
        pruner = Pruner.by("l2", network, trace(network, example))
        template = OnnxTemplate(export(network, example))
        return cls(pruner, template, CostModel.of(pruner, template, shape=SHAPE, batch=1))

    def onnx(self, widths: Sequence[int]) -> bytes:
        """Return the ONNX model of these widths."""
        return self.template.fill(self.pruner.sliced_state(widths))
