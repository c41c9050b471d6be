import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GCNConv, GINConv

from secateur.methods.icpg.convolutions import GAT, GIN, convolution, prepared

NODES, INS, OUTS = 7, 5, 4
EDGES = torch.tensor([[0, 1, 2, 3, 4, 1, 5], [1, 0, 1, 2, 2, 3, 1]])
X = torch.randn(NODES, INS, generator=torch.Generator().manual_seed(0))
WEIGHTS = torch.rand(EDGES.shape[1], generator=torch.Generator().manual_seed(1))


def computed(kind: str, layer: torch.nn.Module, weights: Tensor | None) -> Tensor:
    with torch.no_grad():
        return layer(X, prepared(kind, EDGES, weights, NODES))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_gcn_normalises_the_weighted_graph(weights):
    torch.manual_seed(0)
    mine, theirs = convolution("gcn", INS, OUTS), GCNConv(INS, OUTS)
    theirs.load_state_dict(mine.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(computed("gcn", mine, weights), theirs(X, EDGES, weights))


def test_gin_without_weights_is_the_published_one():
    torch.manual_seed(0)
    mine = GIN(INS, OUTS)
    inner = torch.nn.Sequential(mine.first, torch.nn.ReLU(), mine.second)
    with torch.no_grad():
        mine.eps.fill_(0.3)
        expected = GINConv(inner, eps=0.3)(X, EDGES)
        torch.testing.assert_close(computed("gin", mine, None), expected)


def test_gat_without_weights_is_the_published_one():
    torch.manual_seed(0)
    mine, theirs = GAT(INS, OUTS, heads=2), GATConv(INS, OUTS // 2, heads=2)
    theirs.load_state_dict(
        {
            "lin.weight": mine.linear.weight,
            "att_src": mine.source,
            "att_dst": mine.target,
            "bias": mine.bias,
        }
    )
    with torch.no_grad():
        torch.testing.assert_close(computed("gat", mine, None), theirs(X, EDGES))


@pytest.mark.parametrize("kind", ["gcn", "gin", "gat"])
def test_weights_of_one_change_nothing_and_edges_of_weight_0_say_nothing(kind):
    torch.manual_seed(0)
    layer = convolution(kind, INS, OUTS, heads=2)
    ones = torch.ones(EDGES.shape[1])
    torch.testing.assert_close(computed(kind, layer, ones), computed(kind, layer, None))
    without = WEIGHTS.clone()
    without[EDGES[0] == 5] = 0.0
    moved = X.clone()
    moved[5] += 10
    with torch.no_grad():
        before, after = (layer(x, prepared(kind, EDGES, without, NODES)) for x in (X, moved))
    others = torch.arange(NODES) != 5
    if kind == "gat":  # its softmax is before the weights: who is not heard is still counted
        others[1] = False
    torch.testing.assert_close(before[others], after[others])


def test_a_softmax_comes_before_the_weight():
    torch.manual_seed(0)
    layer = convolution("gat", INS, OUTS)
    with torch.no_grad():
        layer.bias.zero_()
    halves = torch.full((EDGES.shape[1],), 0.5)
    whole, half, none = (
        computed("gat", layer, weights) for weights in (None, halves, torch.zeros_like(halves))
    )
    torch.testing.assert_close(half, (whole + none) / 2)


def test_channels_that_heads_cannot_share_are_refused():
    with pytest.raises(ValueError, match="the channels of GAT, 4, must be a multiple of heads, 3"):
        convolution("gat", INS, OUTS, heads=3)


@pytest.mark.parametrize("kind", ["gcn", "gin", "gat", "mlp"])
def test_a_graph_without_edges_is_computed(kind):
    layer = convolution(kind, INS, OUTS)
    none = torch.empty(2, 0, dtype=torch.int64)
    with torch.no_grad():
        found = layer(X, prepared(kind, none, None, NODES))
        weighed = layer(X, prepared(kind, none, torch.empty(0), NODES))
    assert found.shape == (NODES, OUTS)
    torch.testing.assert_close(found, weighed)
