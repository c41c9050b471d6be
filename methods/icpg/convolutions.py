"""Convolutions: GCN, GIN and GAT that take a weight for every edge.

Where the weight enters is the authors' way: before GCN's normalisation, on GIN's messages, after
GAT's softmax. Self-loops always weigh 1.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import add_self_loops, softmax

from .compaction import Units
from .neighbours import Neighbours
from .sparse_features import SparseFeatures, image

Convolution = Literal["gcn", "gin", "gat", "mlp"]
"""What a layer does; `mlp` looks at each node alone."""


def prepared(kind: Convolution, edges: Tensor, weights: Tensor | None, nodes: int) -> Neighbours:
    """Do once what all layers of a kind need: GCN's normalisation, self-loops, the order of edges.

    `edges` are of shape (2, edges), `weights` of shape (edges,), 1 where there are none.
    """
    match kind:
        case "gcn":
            edges, weights = gcn_norm(
                edges, weights, nodes, add_self_loops=True, dtype=torch.float32
            )
        case "gat":
            given = torch.ones(edges.shape[1]) if weights is None else weights
            edges, weights = add_self_loops(edges, given, fill_value=1.0, num_nodes=nodes)
        case "mlp":
            edges, weights = edges[:, :0], None
    return Neighbours.of(edges, weights, nodes)


def convolution(kind: Convolution, ins: int, outs: int, *, heads: int = 1) -> nn.Module:
    """Make a layer that takes (x, neighbours), these as `prepared`."""
    match kind:
        case "gcn":
            made: nn.Module = GCN(ins, outs, normalize=False)
        case "gin":
            made = GIN(ins, outs)
        case "gat":
            made = GAT(ins, outs, heads=heads)
        case _:
            made = Alone(ins, outs)
    return made


@dataclass(frozen=True, slots=True)
class Ports:
    """The tensors of a layer that read its inputs and that write its outputs, and units within.

    Nothing is written where outputs cannot be removed one by one: GAT's attention reads them too.
    """

    read: str
    written: tuple[str, ...]
    within: tuple[Units, ...] = ()


def ports(kind: Convolution, name: str) -> Ports:
    """The ports of the layer of this name."""
    match kind:
        case "gcn":
            return Ports(f"{name}.lin.weight", (f"{name}.lin.weight", f"{name}.bias"))
        case "gin":
            first, second = (f"{name}.first", f"{name}.second")
            within = Units((f"{first}.weight", f"{first}.bias"), (f"{second}.weight",))
            return Ports(f"{first}.weight", (f"{second}.weight", f"{second}.bias"), (within,))
        case "gat":
            return Ports(f"{name}.linear.weight", ())
        case _:
            return Ports(f"{name}.linear.weight", (f"{name}.linear.weight", f"{name}.linear.bias"))


def linear(ins: int, outs: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer with Glorot's first weights, as convolutions have them.

    Weights are removed by their magnitude among all: layers that begin with smaller ones, as
    PyTorch's linear layers would, would lose all of them long before others lose many.
    """
    made = nn.Linear(ins, outs, bias=bias)
    nn.init.xavier_uniform_(made.weight)
    return made


class Alone(nn.Module):
    """A linear layer that is given neighbours and looks at none."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.linear = linear(ins, outs)

    def forward(self, x: Tensor | SparseFeatures, _neighbours: Neighbours) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        return image(self.linear, x)


class GCN(GCNConv):  # type: ignore[misc]
    """Kipf and Welling, ICLR 2017: the weighed sum of the neighbours' linear images."""

    def forward(self, x: Tensor | SparseFeatures, neighbours: Neighbours) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        return neighbours.sum(image(self.lin, x), bias=self.bias)


class GIN(nn.Module):
    """Xu et al., ICLR 2019: a perceptron of (1 + eps) x plus the weighted sum of the neighbours."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.first, self.second = linear(ins, outs), linear(outs, outs)

    def forward(self, x: Tensor, neighbours: Neighbours) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        seen = (1 + self.eps) * x + neighbours.sum(x)
        found: Tensor = self.second(F.relu(self.first(seen)))
        return found


class GAT(nn.Module):
    """Velickovic et al., ICLR 2018, heads side by side; the weight comes after the softmax."""

    def __init__(self, ins: int, outs: int, *, heads: int) -> None:
        super().__init__()
        if outs % heads:
            raise ValueError(f"the channels of GAT, {outs}, must be a multiple of heads, {heads}")
        self.heads, self.linear = heads, linear(ins, outs, bias=False)
        self.source = nn.Parameter(torch.empty(1, heads, outs // heads))
        self.target = nn.Parameter(torch.empty(1, heads, outs // heads))
        self.bias = nn.Parameter(torch.zeros(outs))
        for one in (self.source, self.target):
            nn.init.xavier_uniform_(one)

    def forward(self, x: Tensor | SparseFeatures, neighbours: Neighbours) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        made = image(self.linear, x)
        seen = made.view(len(made), self.heads, -1)
        scores = [(seen * vector).sum(dim=2) for vector in (self.source, self.target)]
        sources, targets = neighbours.sources, neighbours.targets
        raw = F.leaky_relu(scores[0][sources] + scores[1][targets], 0.2)
        attention = softmax(raw, targets, num_nodes=len(seen)) * neighbours.weights.unsqueeze(1)
        heads = [neighbours.sum(seen[:, head], attention[:, head]) for head in range(self.heads)]
        return torch.cat(heads, dim=1) + self.bias
