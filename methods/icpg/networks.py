"""Networks: what classifies graphs or nodes; each takes (x, edge_index, edge_weight, batch).

Any other module of PyTorch Geometric that takes these does as well.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool

from .compaction import Units
from .convolutions import Convolution, Ports, convolution, linear, ports, prepared
from .sparse_features import dropout, sparse


class Stack(nn.Module):
    """Node embeddings: BatchNorm, a linear layer, then BatchNorm, convolution and ReLU a layer."""

    def __init__(self, ins: int, hidden: int, layers: int, kind: Convolution, heads: int) -> None:
        super().__init__()
        self.kind = kind
        self.norm, self.linear = nn.BatchNorm1d(ins), linear(ins, hidden)
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(layers))
        self.layers = nn.ModuleList(
            convolution(kind, hidden, hidden, heads=heads) for _ in range(layers)
        )

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor | None) -> Tensor:
        """Return (nodes, hidden) for (nodes, ins)."""
        neighbours = prepared(self.kind, edges, weights, len(x))
        x = self.linear(self.norm(x))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = F.relu(layer(norm(x), neighbours))
        return x

    def units(self, name: str, reader: str) -> tuple[Units, list[Units]]:
        """The units of inputs, and of all layers, the last of which `reader` reads."""
        layers = [ports(self.kind, f"{name}.layers.{place}") for place in range(len(self.layers))]
        norms = [batch_norm(f"{name}.norms.{place}") for place in range(len(self.layers))]
        first = (f"{name}.linear.weight", f"{name}.linear.bias")
        return Units(batch_norm(f"{name}.norm"), (first[0],)), _chained(
            first, layers, norms, reader
        )


class Plain(nn.Module):
    """Node embeddings: convolutions with ReLU and dropout in between."""

    def __init__(
        self, widths: tuple[int, ...], kind: Convolution, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.kind, self.dropout = kind, dropout
        last = len(widths) - 2
        self.layers = nn.ModuleList(
            convolution(kind, ins, outs, heads=1 if place == last else heads)
            for place, (ins, outs) in enumerate(pairwise(widths))
        )

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor | None) -> Tensor:
        """Return (nodes, last width) for (nodes, first width)."""
        neighbours = prepared(self.kind, edges, weights, len(x))
        seen = x if self.kind == "gin" else sparse(x)  # which begins with sums, not with a product
        first, *others = self.layers
        x = first(dropout(seen, self.dropout, self.training), neighbours)
        for layer in others:
            x = layer(dropout(F.relu(x), self.dropout, self.training), neighbours)
        return x

    def units(self, name: str) -> tuple[Units, list[Units]]:
        """The units of inputs, and of what lies between the layers."""
        layers = [ports(self.kind, f"{name}.layers.{place}") for place in range(len(self.layers))]
        last = layers[-1]
        between = _chained(layers[0].written, layers[1:-1], [()] * len(layers[1:]), last.read)
        hidden = [*layers[0].within, *between, *last.within] if len(layers) > 1 else []
        return Units((), (layers[0].read,)), hidden


def batch_norm(name: str) -> tuple[str, ...]:
    """The tensors of a BatchNorm that hold a row for each channel."""
    return tuple(f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))


def _chained(
    written: tuple[str, ...],
    layers: Sequence[Ports],
    norms: Sequence[tuple[str, ...]],
    reader: str,
) -> list[Units]:
    """Units that one layer writes and the next one reads, maybe behind a BatchNorm."""
    found = []
    for layer, norm in zip(layers, norms, strict=False):
        if written:
            found.append(Units((*written, *norm), (layer.read,)))
        found += layer.within
        written = layer.written
    if written:
        found.append(Units(written, (reader,)))
    return found


class GraphClassifier(nn.Module):
    """Classifies graphs: a stack of convolutions, the sum over nodes, a perceptron."""

    def __init__(
        self,
        ins: int,
        classes: int,
        *,
        kind: Convolution = "gcn",
        hidden: int = 128,
        layers: int = 3,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.nodes = Stack(ins, hidden, layers, kind, heads)
        self.norm, self.linear = nn.BatchNorm1d(hidden), linear(hidden, hidden)
        self.last_norm, self.last = nn.BatchNorm1d(hidden), linear(hidden, classes)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        """Return logits of shape (graphs, classes) for features of shape (nodes, ins)."""
        pooled = global_add_pool(self.nodes(x, edge_index, edge_weight), batch)
        found: Tensor = self.last(self.last_norm(F.relu(self.linear(self.norm(pooled)))))
        return found

    def units(self) -> tuple[Units, list[Units]]:
        """The units of inputs, and all hidden ones."""
        inputs, hidden = self.nodes.units("nodes", "linear.weight")
        if self.nodes.kind != "gat":  # the last of them pass the BatchNorm behind the pooling, too
            hidden[-1] = Units((*hidden[-1].written, *batch_norm("norm")), hidden[-1].read)
        own = Units(("linear.weight", "linear.bias", *batch_norm("last_norm")), ("last.weight",))
        return inputs, [*hidden, own]


class NodeClassifier(nn.Module):
    """Classifies nodes: convolutions with ReLU and dropout in between."""

    def __init__(
        self,
        ins: int,
        classes: int,
        *,
        kind: Convolution = "gcn",
        hidden: int = 512,
        layers: int = 2,
        heads: int = 8,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.nodes = Plain((ins, *[hidden] * (layers - 1), classes), kind, heads, dropout)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,  # noqa: ARG002  # all networks are called alike
    ) -> Tensor:
        """Return logits of shape (nodes, classes) for features of shape (nodes, ins)."""
        found: Tensor = self.nodes(x, edge_index, edge_weight)
        return found

    def units(self) -> tuple[Units, list[Units]]:
        """The units of inputs, and all hidden ones."""
        return self.nodes.units("nodes")
