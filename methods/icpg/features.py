"""Features: what a network sees of nodes whose graphs were published with labels at most."""

import torch
from torch import Tensor


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
