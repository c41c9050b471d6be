import pytest
import torch
from torch import nn

from secateur.methods.icpg import weights
from secateur.methods.icpg.compaction import compacted
from secateur.methods.icpg.networks import GraphClassifier, NodeClassifier
from secateur.methods.pruning.surgery import fit
from secateur.methods.tensors.weights import state_of
from wheels import wheels


def pruned(made: type[nn.Module], kind: str, layers: int, share: float) -> nn.Module:
    """A network with random statistics of which a share of the weights is gone."""
    torch.manual_seed(0)
    ins = wheels().graphs.features.shape[1]
    network = made(ins, 2, kind=kind, hidden=16, layers=layers, heads=4).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias)
    masks = weights.whole(network)
    sizes = {name: torch.rand(mask.shape) for name, mask in masks.items()}
    weights.apply(weights.prune(masks, sizes, left=1 - share), network)
    return network


@pytest.mark.parametrize("made", [GraphClassifier, NodeClassifier])
@pytest.mark.parametrize("kind", ["gcn", "gin", "gat"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("share", [0.5, 0.93])
def test_a_compacted_network_computes_the_same(made, kind, layers, share):
    network, batch = pruned(made, kind, layers, share), wheels(lonely=True).graphs.whole
    state, inputs = compacted(network, state_of(network))
    small = fit(network, state).eval()
    scores = torch.rand(batch.edges.shape[1])
    with torch.no_grad():
        for edge_weight in (None, scores):
            options = {"edge_weight": edge_weight, "batch": batch.graph}
            torch.testing.assert_close(
                small(batch.features[:, inputs], batch.edges, **options),
                network(batch.features, batch.edges, **options),
            )


def test_units_that_nobody_reads_go_and_take_others_with_them():
    network = pruned(GraphClassifier, "gcn", 2, 0.01)
    with torch.no_grad():
        network.last.weight[:, 3:] = 0.0  # 3 of the units behind the pooling are read
        network.linear.weight[:3, 5:] = 0.0  # and these read 5 of the last layer's
    state, _ = compacted(network, state_of(network))
    assert state["last.weight"].shape == (2, 3)
    assert state["linear.weight"].shape == (3, 5)
    assert state["last_norm.running_mean"].shape == (3,)
    assert state["nodes.layers.1.lin.weight"].shape == (5, 16)


def test_a_layer_is_never_empty():
    network = pruned(GraphClassifier, "gcn", 2, 0.01)
    with torch.no_grad():
        network.last.weight.zero_()
    state, inputs = compacted(network, state_of(network))
    small, batch = fit(network, state).eval(), wheels().graphs.whole
    with torch.no_grad():
        torch.testing.assert_close(
            small(batch.features[:, inputs], batch.edges, batch=batch.graph),
            network(batch.features, batch.edges, batch=batch.graph),
        )
    assert len(inputs) == 1
    assert state["linear.weight"].shape == (1, 1)
