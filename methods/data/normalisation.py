"""Normalisation: how pixels become what a network takes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

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
