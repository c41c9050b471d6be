import pytest
import torch
from torch import nn
from torch_geometric.nn import GATConv, GCNConv, GINConv

from secateur.methods.icpg.networks import GraphClassifier
from secateur.methods.icpg.weights import apply, matrices, prune, sparsity, whole


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return GraphClassifier(9, 2, hidden=16)


def magnitudes(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: one.detach() for name, one in matrices(network).items()}


def test_the_share_that_is_gone_is_nominal_to_rounding(network):
    masks = whole(network)
    total = sum(mask.numel() for mask in masks.values())
    for number in range(1, 21):
        masks = prune(masks, magnitudes(network), left=0.8**number)
        assert abs(sparsity(masks) - (1 - 0.8**number)) <= 0.5 / total + 1e-12


def test_the_smallest_of_all_matrices_go_and_never_return(network):
    sizes = magnitudes(network)
    one = prune(whole(network), sizes, left=0.5)
    kept = torch.cat([sizes[name][mask].abs() for name, mask in one.items()])
    gone = torch.cat([sizes[name][~mask].abs() for name, mask in one.items()])
    assert kept.min() >= gone.max()
    other = {name: torch.rand_like(size) for name, size in sizes.items()}
    two = prune(one, other, left=0.25)
    assert all(bool((two[name] <= one[name]).all()) for name in one)


def test_biases_norms_attention_and_embeddings_are_no_matrices():
    network = nn.ModuleDict(
        {
            "embedding": nn.Embedding(3, 4),
            "gcn": GCNConv(4, 8),
            "gat": GATConv(8, 4, heads=2),
            "gin": GINConv(nn.Linear(8, 8)),
            "norm": nn.BatchNorm1d(8),
        }
    )
    assert set(matrices(network)) == {"gcn.lin.weight", "gat.lin.weight", "gin.nn.weight"}


def test_what_is_not_kept_is_set_to_zero(network):
    masks = prune(whole(network), magnitudes(network), left=0.1)
    apply(masks, network)
    assert all(
        bool((one[~masks[name]] == 0).all() and (one[masks[name]] != 0).all())
        for name, one in matrices(network).items()
    )


def test_first_weights_are_of_a_size_so_that_no_layer_is_emptied_before_others(network):
    masks = prune(whole(network), magnitudes(network), left=0.1)
    shares = {name: float(mask.float().mean()) for name, mask in masks.items()}
    assert min(shares.values()) > 0.03, shares
