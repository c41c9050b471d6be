from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from secateur.methods.icpg.neighbours import Neighbours

NODES = 6
EDGES = torch.tensor([[3, 0, 1, 4, 2, 0, 1], [1, 1, 0, 4, 1, 2, 0]])  # 1 -> 0 twice, 5 alone
NONE = torch.empty(2, 0, dtype=torch.int64)


def drawn(*shape: int) -> Tensor:
    draws = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=draws, dtype=torch.float64).requires_grad_()


def by_messages(x: Tensor, edges: Tensor, weights: Tensor) -> Tensor:
    """Every message by itself."""
    messages = x[edges[0]] * weights[:, None]
    return torch.zeros_like(x).index_add(0, edges[1], messages)


@pytest.mark.parametrize("edges", [EDGES, NONE])
def test_sums_are_those_of_messages_and_so_are_their_gradients(edges):
    x, weights, bias = drawn(NODES, 3), drawn(edges.shape[1]), drawn(3)

    def summed(x: Tensor, weights: Tensor, bias: Tensor | None = None) -> Tensor:
        return Neighbours.of(edges, weights, NODES).sum(x, bias=bias)

    messages = by_messages(x, edges, weights)
    torch.testing.assert_close(summed(x, weights), messages)
    torch.testing.assert_close(summed(x, weights, bias), messages + bias)
    assert torch.autograd.gradcheck(summed, (x, weights))
    assert torch.autograd.gradcheck(summed, (x, weights, bias))


def test_without_weights_all_weigh_1():
    x = drawn(NODES, 2).float()
    expected = by_messages(x, EDGES, torch.ones(EDGES.shape[1]))
    torch.testing.assert_close(Neighbours.of(EDGES, None, NODES).sum(x), expected)


def test_only_what_learns_has_a_gradient():
    x, weights = drawn(NODES, 2), drawn(EDGES.shape[1])
    Neighbours.of(EDGES, weights.detach(), NODES).sum(x).sum().backward()
    assert x.grad is not None
    Neighbours.of(EDGES, weights, NODES).sum(x.detach()).sum().backward()
    heard = x.detach()[EDGES[0]].sum(dim=1)
    torch.testing.assert_close(weights.grad, heard)


def test_other_weights_go_in_the_order_of_targets():
    neighbours = Neighbours.of(EDGES, None, NODES)
    assert neighbours.targets.tolist() == sorted(EDGES[1].tolist())
    x = drawn(NODES, 2).float()
    numbers = torch.arange(1.0, EDGES.shape[1] + 1)
    edges = torch.stack([neighbours.sources, neighbours.targets])
    torch.testing.assert_close(neighbours.sum(x, numbers), by_messages(x, edges, numbers))


def test_edges_are_sorted_by_source_once_whatever_they_weigh(monkeypatch):
    neighbours = Neighbours.of(EDGES, None, NODES)
    sort = Mock(wraps=torch.argsort)
    monkeypatch.setattr(torch, "argsort", sort)
    for _ in range(3):
        neighbours.sum(drawn(NODES, 2).float(), torch.rand(EDGES.shape[1])).sum().backward()
    assert sort.call_count == 1
