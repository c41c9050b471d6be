"""A task that a small network learns in seconds: stripes that stand, that lie, or none."""

import numpy as np
import torch
from torch import nn

from secateur.methods.data.batches import Batches
from secateur.methods.data.images import Images
from secateur.methods.data.normalisation import Normalisation
from secateur.methods.networks import ResNet, initialised
from secateur.methods.training.from_scratch import train

NORMALISATION = Normalisation((0.5,), (0.25,))


def stripes(count: int = 120) -> Images:
    """Grey pictures with upright stripes, with level stripes, and without any."""
    labels = np.arange(count) % 3
    pixels = np.random.default_rng(0).integers(40, 160, size=(count, 8, 8, 1))
    pixels[labels == 0, :, ::2] += 80
    pixels[labels == 1, ::2] += 80
    return Images(pixels.astype(np.uint8), labels.astype(np.int64))


IMAGES = stripes()
INPUTS = NORMALISATION(IMAGES).contiguous()
LABELS = torch.from_numpy(IMAGES.labels)


def batches(size: int = 20, *, mirror: bool = False, mixup: float = 0.0) -> Batches:
    return Batches(IMAGES, NORMALISATION, size, mirror, 0, mixup)


def network(seed: int, widths: tuple[int, ...] = (4, 8)) -> ResNet:
    return initialised(ResNet(blocks=1, widths=widths, in_channels=1, classes=3), seed).eval()


def trained(seed: int = 0, widths: tuple[int, ...] = (4, 8)) -> nn.Module:
    return train(network(seed, widths), INPUTS, LABELS, epochs=30, seed=0)
