"""Masker: a graph network that scores every directed edge (ICPG, section 3).

It embeds the nodes of the graph as it is by now, and reads a score in (0, 1) off the embeddings of
source and target: one linear layer over both, or their inner product.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from .convolutions import Convolution
from .networks import Plain, Stack

Reading = Literal["concat", "inner"]
"""How two embeddings make a score: a linear layer over both, or their inner product."""


class Masker(nn.Module):
    """Scores edges."""

    def __init__(
        self,
        ins: int,
        *,
        kind: Convolution,
        hidden: int,
        layers: int,
        heads: int,
        reading: Reading,
        plain: bool,
    ) -> None:
        """`plain` stacks convolutions alone, as for nodes; otherwise BatchNorms come between."""
        super().__init__()
        self.nodes: Plain | Stack = (
            Plain((ins, *[hidden] * layers), kind, heads, dropout=0.0)
            if plain
            else Stack(ins, hidden, layers, kind, heads)
        )
        # a layer over two embeddings side by side is one number from each, and their sum
        self.ends = nn.Linear(hidden, 2) if reading == "concat" else None

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return scores of shape (edges,) for features (nodes, ins) and edges (2, edges)."""
        return torch.sigmoid(self.logits(x, edge_index))

    def logits(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return what the scores are the sigmoid of: unlike those, never equal for being large."""
        embedded: Tensor = self.nodes(x, edge_index, None)
        source, target = edge_index
        if self.ends is None:
            return (embedded[source] * embedded[target]).sum(dim=1)
        parts: Tensor = self.ends(embedded)
        return parts[source, 0] + parts[target, 1]
