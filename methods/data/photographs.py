"""Photographs: real images for a network that comes without data."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from .images import Images
from .normalisation import Normalisation


def photographs(shape: tuple[int, int, int], normalisation: Normalisation) -> Tensor:
    """Return scikit-learn's two sample photographs as inputs, shape (2, channels, height, width).

    A network of other than three channels sees their mean in each.
    """
    channels, height, width = shape
    pictures = [
        np.asarray(Image.fromarray(picture).resize((width, height)))
        for picture in load_sample_images().images
    ]
    pixels = np.stack(pictures)
    if channels != 3:
        grey = pixels.mean(axis=3, keepdims=True).astype(np.uint8)
        pixels = np.repeat(grey, channels, axis=3)
        normalisation = Normalisation((0.5,) * channels, (0.25,) * channels)
    return normalisation(Images(pixels, np.zeros(2, dtype=np.int64)))
