"""Counts: multiply-adds, parameters and tensor elements of any widths, from the plan alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..tensors.weights import state_of
from .plan import Plan


@dataclass(frozen=True, eq=False, slots=True)
class Sizes:
    """How the sizes of tensors follow from the widths: `fixed + per_width @ widths`.

    `fixed` is of shape (tensors, dimensions), `per_width` of (tensors, dimensions, groups); there
    are four dimensions or more, and missing ones have the size 1. `positions` tells how often a
    tensor is applied to one image.
    """

    fixed: NDArray[np.float64]
    per_width: NDArray[np.float64]
    positions: NDArray[np.float64]


class Counts:
    """Counts without building the network; genomes hold a width for every group of the plan."""

    def __init__(self, plan: Plan, network: nn.Module) -> None:
        """Take the dense network, for the names and shapes of its tensors."""
        tensors = state_of(network)
        dims = max(4, *(tensor.ndim for tensor in tensors.values()))
        self._fixed = np.ones((len(tensors), dims))
        self._per_width = np.zeros((len(tensors), dims, len(plan.groups)))
        for row, (name, tensor) in enumerate(tensors.items()):
            for dim, size in enumerate(tensor.shape):
                self._fixed[row, dim], self._per_width[row, dim] = plan.sizes((name, dim), size)
        parameters = {name for name, _ in network.named_parameters()}
        places = {name: row for row, name in enumerate(tensors)}
        self._is_parameter = np.array([name in parameters for name in tensors], dtype=np.float64)
        self._positions = np.zeros(len(tensors))
        for layer in plan.layers:
            self._positions[places[layer.weight]] += layer.positions

    def macs(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Multiply-adds of one image for genomes of shape (genomes, groups), shape (genomes,).

        Those of convolutions and linear layers: the papers' "FLOPs".
        """
        return self._tensors(genomes) @ self._positions

    def params(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """What training updates, for genomes of shape (genomes, groups), shape (genomes,)."""
        return self._tensors(genomes) @ self._is_parameter

    def elements(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Elements of all tensors for genomes of shape (genomes, groups), shape (genomes,)."""
        total: NDArray[np.float64] = self._tensors(genomes).sum(axis=1)
        return total

    @property
    def layers(self) -> Sizes:
        """The sizes of what multiplies: convolutions' and linear layers' weights."""
        rows = self._positions > 0
        return Sizes(self._fixed[rows], self._per_width[rows], self._positions[rows])

    def _tensors(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Elements of every tensor, shape (genomes, tensors)."""
        sizes = self._fixed + np.tensordot(genomes, self._per_width, axes=(1, 2))
        elements: NDArray[np.float64] = sizes.prod(axis=2)
        return elements
