"""Neighbours: weighed sums over who is next to whom, as products with a sparse matrix.

PyTorch Geometric's layers gather a message for every edge and add them up where weights are
learned: several times as long, and a row for every edge held until the gradient is known.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .graphs import ends, owners


@dataclass(frozen=True)
class Neighbours:
    """Weighed edges by their targets: node i hears the edges `ends[i]` to `ends[i + 1]`, exclusive.

    `sources` and `weights` are of shape (edges,), `ends` of shape (nodes + 1,).
    """

    ends: Tensor
    sources: Tensor
    weights: Tensor

    @classmethod
    def of(cls, edges: Tensor, weights: Tensor | None, nodes: int) -> "Neighbours":
        """Sort edges, shape (2, edges), from source to target; without weights all weigh 1."""
        sources, targets = edges
        order = torch.argsort(targets * nodes + sources, stable=True)
        given = torch.ones(len(sources), device=edges.device) if weights is None else weights
        counts = torch.bincount(targets, minlength=nodes)
        return cls(ends(counts), sources[order], given[order])

    @cached_property
    def targets(self) -> Tensor:
        """The target of each edge, shape (edges,)."""
        return owners(self.ends)

    def sum(
        self, x: Tensor, weights: Tensor | None = None, *, bias: Tensor | None = None
    ) -> Tensor:
        """Return what every node hears, plus a bias: (nodes, channels) for (nodes, channels).

        Other `weights` than the edges' own are in the order of `sources`; `bias` is of shape
        (channels,).
        """
        given = self.weights if weights is None else weights
        onto = x.new_zeros(1) if bias is None else bias
        summed: Tensor = _WeighedSum.apply(onto, x, given, self)
        return summed

    def matrix(self, weights: Tensor) -> Tensor:
        """The sparse matrix (targets, sources) of other weights."""
        return _matrix(self.ends, self.sources, weights)

    def transposed(self, weights: Tensor) -> Tensor:
        """The sparse matrix (sources, targets) of other weights."""
        ends_, targets, order = self._by_source
        return _matrix(ends_, targets, weights[order])

    @cached_property
    def _by_source(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where the edges from each source end, their targets, and their places among all edges."""
        order = torch.argsort(self.sources, stable=True)
        counts = torch.bincount(self.sources, minlength=len(self.ends) - 1)
        return ends(counts), self.targets[order], order


class _WeighedSum(torch.autograd.Function):
    """A bias plus a sparse matrix of learned weights times x.

    PyTorch can differentiate that product itself, but takes longer than with messages. A product
    that is added to something takes two thirds of the time of one alone.
    """

    @staticmethod
    def forward(
        ctx: Any, bias: Tensor, x: Tensor, weights: Tensor, neighbours: Neighbours
    ) -> Tensor:
        ctx.neighbours = neighbours
        ctx.save_for_backward(x, weights)
        return torch.addmm(bias, neighbours.matrix(weights), x)

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weights = ctx.saved_tensors
        neighbours: Neighbours = ctx.neighbours
        of_bias = of_x = of_weights = None
        if ctx.needs_input_grad[0]:
            of_bias = gradient.sum(dim=0)
        if ctx.needs_input_grad[1]:
            of_x = torch.addmm(gradient.new_zeros(1), neighbours.transposed(weights), gradient)
        if ctx.needs_input_grad[2]:  # of each edge: its target's gradient times its source's x
            none = neighbours.matrix(torch.zeros_like(weights))
            of_weights = torch.sparse.sampled_addmm(none, gradient, x.t(), beta=0.0).values()
        return of_bias, of_x, of_weights, None


def _matrix(rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    size = (len(rows) - 1, len(rows) - 1)
    return torch.sparse_csr_tensor(rows, columns, values, size, check_invariants=False)
