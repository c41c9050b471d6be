"""Features: what a network sees of the nodes of a graph as it was published."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Features:
    """How published features become what is seen.

    `degrees`: joined by degrees, one-hot up to `cap`; `rows`: each node's sum to 1; `given`: as
    they are.
    """

    kind: Literal["degrees", "rows", "given"]
    cap: int = 0

    def __call__(self, features: Tensor | None, edges: Tensor, nodes: int) -> Tensor:
        """Return what is seen, (nodes, features), of published features and edges (2, edges)."""
        if self.kind == "degrees":
            return with_degrees(features, edges, nodes, cap=self.cap)
        if features is None:
            raise ValueError("the graph has no node features (x), and some are expected")
        if self.kind == "given":
            return features.float()
        return features.float() / features.float().sum(dim=1, keepdim=True).clamp(min=1.0)


def with_degrees(features: Tensor | None, edges: Tensor, nodes: int, *, cap: int) -> Tensor:
    """Return what is known of the nodes, or 1; their degree; and the degree as one-hot numbers.

    Degrees are those of the given edges, as sources; beyond `cap` they count as `cap`. The shape is
    (nodes, known features + cap + 2).
    """
    known = torch.ones(nodes, 1) if features is None or not features.numel() else features.float()
    degrees = torch.bincount(edges[0], minlength=nodes)
    one_hot = torch.zeros(nodes, cap + 1)
    one_hot[torch.arange(nodes), degrees.clamp(max=cap)] = 1.0
    return torch.cat([known, degrees.float().unsqueeze(1), one_hot], dim=1)
