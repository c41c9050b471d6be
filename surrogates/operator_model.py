"""Operator model: what a layer takes on a target, by its sizes, and a network by its layers.

It is learned from layers that were timed inside other networks, so that something is known of a
network of which nothing was measured yet. What layers alone do not tell (what moves activations
between layouts, what the runtime needs for itself) is left to the latency model.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..search.surrogate import Genomes
from .gaussian_process import GaussianProcess
from .latency_model import ALIGNED

VECTOR = 16
"""Channels that kernels work on at once: a part-filled vector costs as much as a full one."""

LEAST = 20
"""Different layers from which on a model is worth something."""

LayerSizes = NDArray[np.float64]
"""Outputs, inputs, height and width of weights, and how often they apply: shape (layers, 5)."""


class OperatorModel:
    """A Gaussian process from a layer's sizes to the logarithm of its milliseconds."""

    def __init__(self, sizes: LayerSizes, milliseconds: NDArray[np.float64]) -> None:
        """Learn from layers timed any number of times; a ValueError where they are too few."""
        different, which = np.unique(sizes, axis=0, return_inverse=True)
        if len(different) < LEAST:
            raise ValueError(f"expected {LEAST} different layers or more, got {len(different)}")
        logs = np.log(np.maximum(milliseconds, 1e-4))
        middle = [float(np.median(logs[which.ravel() == layer])) for layer in range(len(different))]
        self._process = GaussianProcess(_features(different), np.array(middle))
        self._known: dict[bytes, float] = {}  # a search asks for the same layers again and again

    def __call__(self, sizes: LayerSizes) -> NDArray[np.float64]:
        """Return the milliseconds of layers, shape (layers,)."""
        different, which = np.unique(sizes, axis=0, return_inverse=True)
        keys = [layer.tobytes() for layer in different]
        if asked := [place for place, key in enumerate(keys) if key not in self._known]:
            mean, _ = self._process(_features(different[asked]))
            self._known |= zip((keys[place] for place in asked), np.exp(mean).tolist(), strict=True)
        found: NDArray[np.float64] = np.array([self._known[key] for key in keys])[which.ravel()]
        return found


def layers_time(
    model: OperatorModel,
    fixed: NDArray[np.float64],
    per_width: NDArray[np.float64],
    positions: NDArray[np.float64],
) -> Callable[[Genomes], NDArray[np.float64]]:
    """Return what sums up the milliseconds of all layers for any widths.

    The sizes of layers are `fixed + per_width @ widths`, of shapes (layers, dimensions) and
    (layers, dimensions, groups), four dimensions or more; `positions` tells how often each is
    applied, shape (layers,). A kernel's third dimension counts as if it were in its second.
    """
    groups = per_width.shape[2]

    def total(genomes: Genomes) -> NDArray[np.float64]:
        weights = fixed + np.tensordot(genomes[:, :groups], per_width, axes=(1, 2))
        applied = np.broadcast_to(positions[None, :, None], (*weights.shape[:2], 1))
        kernel = weights[..., 3:].prod(axis=2, keepdims=True)
        sizes = np.concatenate([weights[..., :3], kernel, applied], axis=2).reshape(-1, 5)
        summed: NDArray[np.float64] = model(sizes).reshape(weights.shape[:2]).sum(axis=1)
        return summed

    return total


def _features(sizes: LayerSizes) -> NDArray[np.float64]:
    """Work and traffic on a logarithmic scale, and how the channels fill their vectors."""
    outputs, inputs, height, width, positions = sizes.T
    filled, kernel = _whole(outputs), height * width
    channels = np.where(inputs == 1, outputs, inputs)  # a depthwise layer reads what it writes
    return np.column_stack(
        [
            np.log2(filled * inputs * kernel * positions),
            np.log2(filled * positions),
            np.log2(inputs * positions),
            np.log2(filled * inputs * kernel),
            np.log2(_whole(inputs) / inputs),
            *(channels % multiple == 0 for multiple in ALIGNED),
            np.log2(kernel),
            inputs == 1,
        ]
    )


def _whole(channels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ceil(channels / VECTOR) * VECTOR
