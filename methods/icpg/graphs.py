"""Graphs: many graphs end to end, and batches of them, without a loop over graphs."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Graphs:
    """Graphs end to end: nodes and directed edges of the first, of the second, and so on.

    `features` is of shape (nodes, features), `edges` of shape (2, edges), from source to target, in
    numbers that go through all nodes. Graph i has the nodes `node_ends[i]` to `node_ends[i + 1]`,
    exclusive, and the edges `edge_ends[i]` to `edge_ends[i + 1]`. `labels` has a row a graph or a
    row a node. There are no self-loops: networks that want them add their own.
    """

    features: Tensor
    edges: Tensor
    node_ends: Tensor
    edge_ends: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """How many graphs there are."""
        return len(self.node_ends) - 1

    @property
    def edge_graphs(self) -> Tensor:
        """The graph of each edge, shape (edges,)."""
        return owners(self.edge_ends)

    def keeping(self, kept: Tensor) -> "Graphs":
        """The same graphs with some of their edges: those for which `kept`, (edges,), is true."""
        counts = torch.bincount(self.edge_graphs[kept], minlength=len(self))
        return replace(self, edges=self.edges[:, kept], edge_ends=ends(counts))

    def batch(self, chosen: Tensor) -> "Batch":
        """The graphs of these numbers, in this order, as if there were no others."""
        nodes, node_ends = _ranges(self.node_ends, chosen)
        edges, _ = _ranges(self.edge_ends, chosen)
        moved = node_ends[:-1] - self.node_ends[chosen]  # from all nodes' numbers to the batch's
        counts = self.edge_ends[chosen + 1] - self.edge_ends[chosen]
        of_graphs = len(self.labels) == len(self)
        return Batch(
            features=self.features.index_select(0, nodes),
            edges=self.edges.index_select(1, edges) + torch.repeat_interleave(moved, counts),
            graph=owners(node_ends),
            labels=self.labels[chosen if of_graphs else nodes],
        )

    @property
    def whole(self) -> "Batch":
        """All graphs as one batch."""
        return Batch(self.features, self.edges, owners(self.node_ends), self.labels)


@dataclass(frozen=True, slots=True)
class Batch:
    """Graphs that a network sees together: `graph` is the number of each node's graph."""

    features: Tensor
    edges: Tensor
    graph: Tensor
    labels: Tensor

    @property
    def graphs(self) -> Graphs:
        """The same graphs end to end."""
        count = int(self.graph[-1]) + 1
        nodes, edges = (
            torch.bincount(one, minlength=count) for one in (self.graph, self.graph[self.edges[0]])
        )
        return Graphs(self.features, self.edges, ends(nodes), ends(edges), self.labels)


def ends(counts: Tensor) -> Tensor:
    """Return where parts of these lengths end, with a leading 0: shape (parts + 1,)."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def owners(parts: Tensor) -> Tensor:
    """Return the part of each element, where parts end so."""
    return torch.repeat_interleave(torch.arange(len(parts) - 1), parts.diff())


def _ranges(parts: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The elements of the chosen parts, one part after the other, and where each ends."""
    counts = parts[chosen + 1] - parts[chosen]
    own_ends = ends(counts)
    first = torch.repeat_interleave(parts[chosen] - own_ends[:-1], counts)
    return torch.arange(int(own_ends[-1])) + first, own_ends
