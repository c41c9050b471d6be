"""Normalisation: how pixels become what a network takes, and one that takes what another does."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .images import Images


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How pixels become inputs: (pixel / 255 - mean) / std, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Images) -> Tensor:
        """Return float32 inputs, shape (images, channels, height, width), channels last."""
        pixels = torch.from_numpy(images.pixels.astype(np.float32)) / 255.0
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return ((pixels - mean) / std).permute(0, 3, 1, 2)


class Renormalised(nn.Module):
    """A network whose own inputs are normalised in another way than those that it is given."""

    def __init__(self, network: nn.Module, *, given: Normalisation, own: Normalisation) -> None:
        super().__init__()
        self.network = network
        (mean, std), (own_mean, own_std) = (
            (torch.tensor(one.mean), torch.tensor(one.std)) for one in (given, own)
        )
        self.register_buffer("scale", (std / own_std).view(-1, 1, 1))
        self.register_buffer("shift", ((mean - own_mean) / own_std).view(-1, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the network does of inputs of shape (images, channels, h, w)."""
        found: Tensor = self.network(inputs * self.get_buffer("scale") + self.get_buffer("shift"))
        return found
