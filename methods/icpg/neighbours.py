"""Neighbours: weighed sums over who is next to whom, as products with a sparse matrix.

PyTorch Geometric's layers gather a message for every edge and add them up where weights are
learned: several times as long, and a row for every edge held until the gradient is known.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .graphs import ends
from .pattern import Pattern


@dataclass(frozen=True)
class Neighbours:
    """Weighed edges: a matrix of targets and sources, and the weights, shape (edges,), in it."""

    pattern: Pattern
    weights: Tensor

    @classmethod
    def of(cls, edges: Tensor, weights: Tensor | None, nodes: int) -> "Neighbours":
        """Sort edges, shape (2, edges), from source to target; without weights all weigh 1."""
        sources, targets = edges
        order = torch.argsort(targets * nodes + sources, stable=True)
        given = torch.ones(len(sources), device=edges.device) if weights is None else weights
        counts = torch.bincount(targets, minlength=nodes)
        return cls(Pattern(ends(counts), sources[order], nodes), given[order])

    @property
    def sources(self) -> Tensor:
        """The source of each edge, shape (edges,)."""
        return self.pattern.columns

    @property
    def targets(self) -> Tensor:
        """The target of each edge, shape (edges,)."""
        return self.pattern.rows

    def sum(
        self, x: Tensor, weights: Tensor | None = None, *, bias: Tensor | None = None
    ) -> Tensor:
        """Return what every node hears, plus a bias: (nodes, channels) for (nodes, channels).

        Other `weights` than the edges' own are in the order of `sources`; `bias` is of shape
        (channels,).
        """
        return self.pattern.product(self.weights if weights is None else weights, x, bias)
