"""Small graphs that a network can tell apart in a second: rings, and rings with spokes."""

import torch
from torch import Tensor

from secateur.methods.icpg.graphs import ends
from secateur.methods.icpg.sources import graph_task
from secateur.methods.icpg.task import Task


def ring(size: int, spokes: bool) -> Tensor:
    """Directed edges of a ring, and from its first node to all others where it has spokes."""
    numbers = torch.arange(size)
    pairs = torch.stack([numbers, (numbers + 1) % size])
    if spokes:
        others = torch.arange(2, size - 1)
        pairs = torch.cat([pairs, torch.stack([torch.zeros_like(others), others])], dim=1)
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def wheels(count: int = 48, *, lonely: bool = False) -> Task:
    """Graphs of 5 to 9 nodes, every second one with spokes; `lonely` adds two without edges."""
    sizes = [5 + number % 5 for number in range(count)]
    parts = [ring(size, number % 2 == 1) for number, size in enumerate(sizes)]
    labels = [number % 2 for number in range(count)]
    if lonely:
        sizes, labels = [*sizes, 3, 1], [*labels, 0, 1]
        parts += [torch.empty(2, 0, dtype=torch.int64)] * 2
    nodes = torch.tensor(sizes)
    edges = torch.cat(
        [part + shift for part, shift in zip(parts, ends(nodes)[:-1], strict=True)], dim=1
    )
    return graph_task("wheels", None, edges, nodes, torch.tensor(labels), cap=6)


def task(_root: object = None) -> Task:
    """The data set of an import path: `wheels:task`."""
    return wheels(lonely=True)
