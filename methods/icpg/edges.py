"""Edges: which of them a graph loses, all graphs at once.

Edges are numbered as in the graphs that nothing was removed from, and what was removed never
returns: each choice is made among those that the last one has kept.
"""

from typing import Literal

import torch
from torch import Tensor

from .graphs import Graphs

Rule = Literal["nominal", "floor"]
"""How many edges a graph keeps: the nominal share of all it ever had, to rounding; or what the
authors' code does, the floor of the share of what it has now dropped, which spares small graphs."""

Pairing = Literal["directed", "symmetric"]
"""What is removed: directed edges, as in the authors' code, or both directions of an edge."""


class EdgePruner:
    """Removes the edges with the lowest scores, graph by graph, round after round."""

    def __init__(self, graphs: Graphs, *, rule: Rule, pairing: Pairing) -> None:
        """Take the whole graphs."""
        self._rule = rule
        self._units = _pairs(graphs) if pairing == "symmetric" else None
        if self._units is None:
            self._graph = graphs.edge_graphs
        else:
            self._graph = torch.empty(
                int(self._units.max()) + 1 if len(self._units) else 0, dtype=torch.int64
            )
            self._graph[self._units] = graphs.edge_graphs
        self._counts = torch.bincount(self._graph, minlength=len(graphs))

    def prune(self, kept: Tensor, scores: Tensor, *, removed: float, left: float) -> Tensor:
        """Return what is kept after a round, shape (edges,) of bool.

        `kept`, of that shape, is what the round before has kept, and `scores` has a number for each
        of these, in their order. The round removes the share `removed` of them; nominally, `left`
        of all edges are left then.
        """
        alive, worth = self._of_units(kept, scores)
        now = torch.bincount(self._graph[alive], minlength=len(self._counts))
        if self._rule == "nominal":
            wanted = torch.round(self._counts.double() * left).long()
            wanted = torch.minimum(wanted, now)
        else:
            wanted = now - torch.floor(now.double() * removed).long()
        chosen = torch.zeros(len(alive), dtype=torch.bool)
        chosen[alive.nonzero().squeeze(1)] = best_of_each(self._graph[alive], worth, wanted)
        return kept & (chosen if self._units is None else chosen[self._units])

    def _of_units(self, kept: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Who is alive, and the scores of these: a pair's is the mean of its directions'."""
        if self._units is None:
            return kept, scores
        units = self._units[kept]
        count = len(self._graph)
        members = torch.bincount(units, minlength=count)
        sums = torch.zeros(count, dtype=torch.float64).index_add(0, units, scores.double())
        alive = members > 0
        return alive, sums[alive] / members[alive]


def best_of_each(graph: Tensor, scores: Tensor, wanted: Tensor) -> Tensor:
    """Say of each element whether it is among the `wanted` best of its graph.

    Takes the graph of each element, ascending, and its score; among equal scores the first stay.
    """
    by_score = torch.argsort(scores, descending=True, stable=True)
    order = by_score[torch.argsort(graph[by_score], stable=True)]
    counts = torch.bincount(graph, minlength=len(wanted))
    first = torch.cumsum(counts, 0) - counts
    ranks = torch.arange(len(graph)) - first[graph[order]]
    chosen = torch.zeros(len(graph), dtype=torch.bool)
    chosen[order[ranks < wanted[graph[order]]]] = True
    return chosen


def steady(scores: Tensor) -> Tensor:
    """Return scores to 16 bits of their mantissa.

    Beyond these they depend on which other graphs were scored with them, and edges that a graph's
    symmetry makes equal would be ranked by chance.
    """
    mantissa, exponent = torch.frexp(scores)
    return torch.ldexp(torch.round(mantissa * 2.0**16) / 2.0**16, exponent)


def _pairs(graphs: Graphs) -> Tensor:
    """The number of the undirected edge that each directed one is part of, shape (edges,)."""
    low, high = graphs.edges.min(dim=0).values, graphs.edges.max(dim=0).values
    numbers: Tensor = torch.unique(low * graphs.node_ends[-1] + high, return_inverse=True)[1]
    return numbers
