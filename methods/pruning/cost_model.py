"""Cost model: MACs, parameters and memory of any widths."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..tensors.weights import shapes_of
from .cost import Cost
from .counts import Counts
from .memory import FLOAT_BYTES, MemoryModel
from .onnx_graph import OnnxTemplate
from .surgery import Pruner


class CostModel:
    """What a network costs on paper: memory is all float32 tensors and the activations' peak."""

    def __init__(self, counts: Counts, memory: MemoryModel, *, groups: int, batch: int) -> None:
        self.macs, self.params = counts.macs, counts.params
        self._counts = counts
        self._memory = memory
        self._groups = groups
        self._batch = batch

    @classmethod
    def of(
        cls, pruner: Pruner, template: OnnxTemplate, *, shape: tuple[int, ...], batch: int
    ) -> Self:
        """Take a network, its ONNX graph, the shape of one image and how many run at a time."""
        return cls(
            Counts(pruner.plan, pruner.network),
            MemoryModel(pruner.plan, shapes_of(pruner.state), template, shape=shape),
            groups=len(pruner.plan.groups),
            batch=batch,
        )

    def __call__(self, genome: Sequence[int]) -> Cost:
        """Return the cost of one genome, whatever genes follow the widths."""
        genomes = np.array([genome[: self._groups]], dtype=np.int64)
        return Cost(
            macs=int(self.macs(genomes)[0]),
            params=int(self.params(genomes)[0]),
            memory_bytes=int(self.memory_bytes(genomes)[0]),
        )

    def memory_bytes(self, genomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bytes of weights and activations for genomes (genomes, groups), shape (genomes,)."""
        weights = FLOAT_BYTES * self._counts.elements(genomes)
        return weights + self._memory.peak_activation_bytes(genomes, self._batch)
