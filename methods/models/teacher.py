"""Teacher: a network that others learn from, as a value that can be sent to any process."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..data.normalisation import Normalisation, Renormalised
from ..pruning.surgery import fit
from ..tensors.weights import State
from .exported import build


@dataclass(frozen=True, slots=True)
class Teacher:
    """A factory's import path, its arguments, and the trained tensors, of whatever widths.

    Where its inputs are normalised in another way than those that it is given, both are `inputs`.
    """

    factory: str
    arguments: dict[str, Any]
    state: State
    inputs: tuple[Normalisation, Normalisation] | None = None

    def network(self) -> nn.Module:
        """Build the network, in evaluation mode; nobody trains it."""
        network = fit(build(self.factory, self.arguments), self.state)
        if self.inputs:
            given, own = self.inputs
            network = Renormalised(network, given=given, own=own)
        return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
