"""Cost model: MACs, parameters and memory of any widths, counted on the plan."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .cost import Cost
from .memory import FLOAT_BYTES, MemoryModel
from .plan import Plan


class CostModel:
    """Counts without building the network.

    MACs are the multiply-adds of convolutions and linear layers (the papers' "FLOPs"); parameters
    are what training updates; memory is all float32 tensors plus the peak of the activations.
    """

    def __init__(
        self,
        plan: Plan,
        shapes: Mapping[str, Sequence[int]],
        parameters: Sequence[str],
        memory: MemoryModel,
        *,
        batch: int,
    ) -> None:
        self._sizes = {
            (name, dim): plan.sizes((name, dim), size)
            for name, shape in shapes.items()
            for dim, size in enumerate(shape)
        }
        self._groups = len(plan.groups)
        self._layers = plan.layers
        self._shapes = dict(shapes)
        self._parameters = tuple(parameters)
        self._memory = memory
        self._batch = batch

    def __call__(self, genome: Sequence[int]) -> Cost:
        """Return the cost of one genome, whatever genes follow the widths."""
        genomes = np.array([genome[: self._groups]], dtype=np.int64)
        return Cost(
            macs=int(self.macs(genomes)[0]),
            params=int(self.params(genomes)[0]),
            memory_bytes=int(self.memory_bytes(genomes)[0]),
        )

    def macs(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Multiply-adds for genomes of shape (genomes, groups), shape (genomes,)."""
        total = np.zeros(len(genomes))
        for layer in self._layers:
            total += layer.positions * self._elements(layer.weight, layer.shape, genomes)
        return total

    def params(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Trainable parameters for genomes of shape (genomes, groups), shape (genomes,)."""
        return self._sum(self._parameters, genomes)

    def memory_bytes(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bytes of weights and activations for genomes (genomes, groups), shape (genomes,)."""
        weights = FLOAT_BYTES * self._sum(tuple(self._shapes), genomes)
        return weights + self._memory.peak_activation_bytes(genomes, self._batch)

    def _sum(self, tensors: Sequence[str], genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.zeros(len(genomes))
        for name in tensors:
            total += self._elements(name, self._shapes[name], genomes)
        return total

    def _elements(
        self, tensor: str, shape: Sequence[int], genomes: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        elements = np.ones(len(genomes))
        for dim, size in enumerate(shape):
            fixed, per_width = self._sizes[tensor, dim]
            if per_width.any():
                elements = elements * (fixed + genomes @ per_width)
            else:
                elements = elements * size
        return elements
