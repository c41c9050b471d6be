"""Convolutions: GCN, GIN and GAT that take a weight for every edge.

Where the weight enters is the authors' way: before GCN's normalisation, on GIN's messages, after
GAT's softmax. Self-loops always weigh 1.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import GCNConv, MessagePassing
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.typing import OptTensor  # its inspection does not know the newer spelling
from torch_geometric.utils import add_self_loops, softmax, spmm, to_torch_csr_tensor

from .compaction import Units

Convolution = Literal["gcn", "gin", "gat", "mlp"]
"""What a layer does; `mlp` looks at each node alone."""

Prepared = tuple[Tensor, Tensor | None]
"""Edges of shape (2, edges), and their weights of shape (edges,), as the layers take them.

Or the sparse matrix (targets, sources) of both, where nobody asks for the weights' gradient: sums
over neighbours are several times as fast.
"""


def prepared(kind: Convolution, edges: Tensor, weights: Tensor | None, nodes: int) -> Prepared:
    """Do once what all layers of a kind need: GCN's normalisation, GAT's self-loops."""
    sparse = weights is None or not weights.requires_grad
    sparse = sparse and not torch.is_autocast_enabled(edges.device.type)
    match kind:
        case "gcn":
            known = gcn_norm(edges, weights, nodes, add_self_loops=True, dtype=torch.float32)
            if sparse:
                known = _matrix(known[0], known[1], nodes), None
        case "gin" if sparse and weights is None:
            known = _matrix(edges, torch.ones(edges.shape[1]), nodes), None
        case "gat":
            given = torch.ones(edges.shape[1]) if weights is None else weights
            known = add_self_loops(edges, given, fill_value=1.0, num_nodes=nodes)
        case _:
            known = edges, weights
    return known[0], known[1]


def _matrix(edges: Tensor, weights: Tensor, nodes: int) -> Tensor:
    unchecked = torch.sparse.check_sparse_tensor_invariants(False)  # type: ignore[no-untyped-call]
    with unchecked:  # it is sound as it is made
        matrix: Tensor = to_torch_csr_tensor(edges.flip(0), weights, (nodes, nodes))
    return matrix


def convolution(kind: Convolution, ins: int, outs: int, *, heads: int = 1) -> nn.Module:
    """Make a layer that takes (x, edges, weights), these two as `prepared`."""
    match kind:
        case "gcn":
            made: nn.Module = GCNConv(ins, outs, normalize=False)
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
    """A linear layer that takes edges and looks at none."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.linear = linear(ins, outs)

    def forward(self, x: Tensor, _edges: Tensor, _weights: Tensor | None) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        found: Tensor = self.linear(x)
        return found


class GIN(MessagePassing):  # type: ignore[misc]
    """Xu et al., ICLR 2019: a perceptron of (1 + eps) x plus the weighted sum of the neighbours."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__(aggr="add")
        self.eps = nn.Parameter(torch.zeros(1))
        self.first, self.second = linear(ins, outs), linear(outs, outs)

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor | None) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        around = self.propagate(edges, x=x, weights=weights)
        found: Tensor = self.second(F.relu(self.first((1 + self.eps) * x + around)))
        return found

    def message(self, x_j: Tensor, weights: OptTensor) -> Tensor:
        """What a neighbour says, (edges, ins)."""
        return x_j if weights is None else weights.unsqueeze(1) * x_j

    def message_and_aggregate(self, adj_t: Tensor, x: Tensor) -> Tensor:
        """The sums over neighbours at once, (nodes, ins)."""
        sums: Tensor = spmm(adj_t, x, "sum")
        return sums


class GAT(MessagePassing):  # type: ignore[misc]
    """Velickovic et al., ICLR 2018, heads side by side; the weight comes after the softmax."""

    def __init__(self, ins: int, outs: int, *, heads: int) -> None:
        super().__init__(aggr="add", node_dim=0)
        if outs % heads:
            raise ValueError(f"the channels of GAT, {outs}, must be a multiple of heads, {heads}")
        self.heads, self.linear = heads, linear(ins, outs, bias=False)
        self.source = nn.Parameter(torch.empty(1, heads, outs // heads))
        self.target = nn.Parameter(torch.empty(1, heads, outs // heads))
        self.bias = nn.Parameter(torch.zeros(outs))
        for one in (self.source, self.target):
            nn.init.xavier_uniform_(one)

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor | None) -> Tensor:
        """Return (nodes, outs) for (nodes, ins)."""
        seen = self.linear(x).view(len(x), self.heads, -1)
        scores = [(seen * vector).sum(dim=2) for vector in (self.source, self.target)]
        raw = F.leaky_relu(scores[0][edges[0]] + scores[1][edges[1]], 0.2)
        attention = softmax(raw, edges[1], num_nodes=len(x))
        if weights is not None:
            attention = attention * weights.unsqueeze(1)
        found: Tensor = self.propagate(edges, seen=seen, attention=attention).flatten(1)
        return found + self.bias

    def message(self, seen_j: Tensor, attention: Tensor) -> Tensor:
        """What a neighbour says, (edges, heads, channels)."""
        return attention.unsqueeze(2) * seen_j
