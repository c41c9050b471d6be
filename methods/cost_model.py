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
        tensors = list(shapes)
        dims = max((len(shape) for shape in shapes.values()), default=0)
        self._fixed = np.ones((len(tensors), dims))
        self._per_width = np.zeros((len(tensors), dims, len(plan.groups)))
        for row, name in enumerate(tensors):
            for dim, size in enumerate(shapes[name]):
                fixed, per_width = plan.sizes((name, dim), size)
                self._fixed[row, dim] = fixed if per_width.any() else size
                self._per_width[row, dim] = per_width
        counted, places = set(parameters), {name: row for row, name in enumerate(tensors)}
        self._is_parameter = np.array([name in counted for name in tensors], dtype=np.float64)
        self._positions = np.zeros(len(tensors))
        for layer in plan.layers:
            self._positions[places[layer.weight]] += layer.positions
        self._groups = len(plan.groups)
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
        return self._elements(genomes) @ self._positions

    def params(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Trainable parameters for genomes of shape (genomes, groups), shape (genomes,)."""
        return self._elements(genomes) @ self._is_parameter

    def memory_bytes(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bytes of weights and activations for genomes (genomes, groups), shape (genomes,)."""
        weights: NDArray[np.float64] = FLOAT_BYTES * self._elements(genomes).sum(axis=1)
        return weights + self._memory.peak_activation_bytes(genomes, self._batch)

    def _elements(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Elements of every tensor, shape (genomes, tensors)."""
        sizes = self._fixed + np.tensordot(genomes, self._per_width, axes=(1, 2))
        elements: NDArray[np.float64] = sizes.prod(axis=2)
        return elements
