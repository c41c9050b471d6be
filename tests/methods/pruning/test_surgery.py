import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from secateur.methods.pruning.criteria import rankings
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner, fit, mask_state, slice_state
from secateur.methods.tensors.weights import state_of

WIDTHS = st.tuples(st.integers(1, 4), st.integers(1, 8))


def outputs(network: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(images)


@given(widths=WIDTHS)
@settings(max_examples=12)
def test_the_masked_and_the_sliced_network_compute_the_same(tiny, widths):
    masked, sliced = tiny.pruner.masked(widths), tiny.pruner.cut(widths)
    torch.testing.assert_close(
        outputs(masked, tiny.images), outputs(sliced, tiny.images), atol=1e-4, rtol=0
    )


@given(widths=WIDTHS)
@settings(max_examples=12)
def test_the_masked_network_keeps_its_shapes_and_the_sliced_one_is_smaller(tiny, widths):
    dense = {name: tuple(tensor.shape) for name, tensor in tiny.pruner.state.items()}
    masked = {n: tuple(t.shape) for n, t in state_of(tiny.pruner.masked(widths)).items()}
    sliced = {n: tuple(t.shape) for n, t in state_of(tiny.pruner.cut(widths)).items()}
    assert masked == dense
    for tensor, dim in tiny.plan.owners:
        assert sliced[tensor][dim] == widths[0 if "layer1" in tensor else 1]
    unowned = set(dense) - {tensor for tensor, _ in tiny.plan.owners}
    assert all(sliced[name] == dense[name] for name in unowned)


def test_pruning_changes_what_the_network_computes(tiny):
    dense, cut = outputs(tiny.network, tiny.images), outputs(tiny.pruner.cut((2, 4)), tiny.images)
    assert (dense - cut).abs().max() > 0.01


def test_dense_widths_cut_nothing(tiny):
    dense = tiny.pruner.cut((4, 8))
    assert torch.equal(outputs(dense, tiny.images), outputs(tiny.network, tiny.images))


def test_the_kept_channels_are_those_with_the_largest_norms(tiny):
    for group, kept in zip(tiny.plan.groups, tiny.pruner.kept((2, 5)), strict=True):
        norms = tiny.network.get_submodule(group.name).weight.detach().flatten(1).norm(dim=1)
        gone = np.setdiff1d(np.arange(group.width), kept)
        assert norms[kept].min() > norms[gone].max()
        assert kept.tolist() == sorted(kept)


def test_a_genome_chooses_what_ranks_each_group(tiny):
    one, other = rankings(tiny.network, tiny.plan, ["l2", "random"])
    pruner = Pruner(tiny.network, tiny.plan, (one, other))
    by_norm, by_chance = (
        [np.sort(order[:width]).tolist() for order, width in zip(ranking, (2, 5), strict=True)]
        for ranking in (one, other)
    )
    assert by_norm[1] != by_chance[1]
    assert [kept.tolist() for kept in pruner.kept((2, 5))] == by_norm
    assert [kept.tolist() for kept in pruner.kept((2, 5, 0, 1))] == [by_norm[0], by_chance[1]]
    assert pruner.is_dense((4, 8, 0, 0))
    assert not pruner.is_dense((4, 7, 0, 0))


def test_a_sliced_tensor_holds_the_kept_channels_of_the_dense_one(tiny):
    kept = tiny.pruner.kept((2, 8))[0]
    sliced = tiny.pruner.sliced_state((2, 8))
    dense = tiny.pruner.state
    assert torch.equal(sliced["layer1.0.conv1.weight"], dense["layer1.0.conv1.weight"][kept])
    assert torch.equal(sliced["layer1.0.bn1.running_var"], dense["layer1.0.bn1.running_var"][kept])
    assert torch.equal(sliced["layer1.0.conv2.weight"], dense["layer1.0.conv2.weight"][:, kept])


def test_a_tensor_that_two_groups_own_is_sliced_in_both_dimensions():
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 1), nn.ReLU(), nn.Conv2d(6, 5, 1)),
        *(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2)),
    ).eval()
    pruner = Pruner.by("l2", network, trace(network, torch.zeros(1, 3, 4, 4)))
    assert [group.width for group in pruner.plan.groups] == [4, 6, 5]
    assert pruner.sliced_state((2, 3, 5))["2.weight"].shape == (3, 2, 1, 1)
    images = torch.rand(3, 3, 4, 4)
    torch.testing.assert_close(
        outputs(pruner.masked((2, 3, 1)), images), outputs(pruner.cut((2, 3, 1)), images)
    )


def test_the_layers_own_account_of_their_widths_follows(tiny):
    network = tiny.pruner.cut((2, 5))
    block = network.get_submodule("layer1.0")
    assert (block.conv1.out_channels, block.bn1.num_features, block.conv2.in_channels) == (2, 2, 2)
    assert "Conv2d(4, 2" in str(block.conv1)


def test_the_cut_network_can_be_trained_and_leaves_the_dense_one_alone(tiny):
    dense = copy.deepcopy(tiny.network)
    pruner = Pruner.by("l2", dense, tiny.plan)
    network = pruner.cut((2, 5)).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(tiny.images).square().sum().backward()
    optimiser.step()
    for name, tensor in tiny.network.state_dict().items():
        assert torch.equal(tensor, dense.state_dict()[name]), name


def test_gradients_of_a_cut_network_are_its_own(tiny):
    network = tiny.pruner.cut((2, 5)).train()
    network(tiny.images).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(parameter.grad is None for parameter in tiny.network.parameters())


def test_the_statistics_of_a_cut_network_are_its_own(tiny):
    """BatchNorm updates them in place, those of layers that no group owns included."""
    before = copy.deepcopy(tiny.pruner.state)
    for network in (tiny.pruner.cut((2, 5)), tiny.pruner.cut((4, 8)), tiny.pruner.masked((2, 5))):
        network.train()(tiny.images)
        network.eval()
    for name, tensor in tiny.pruner.state.items():
        assert torch.equal(tensor, before[name]), name


def test_a_grouped_convolution_beside_a_cut_keeps_its_account():
    network = nn.Sequential(
        *(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.Conv2d(4, 8, 1, groups=2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)),
    ).eval()
    images = torch.rand(2, 3, 4, 4)
    plan = trace(network, images[:1], ignore=("3",))
    pruner = Pruner.by("l2", network, plan)
    cut = pruner.cut((3,))
    assert (cut[3].in_channels, cut[3].out_channels, cut[3].groups) == (4, 8, 2)
    torch.testing.assert_close(outputs(pruner.masked((3,)), images), outputs(cut, images))


def test_a_grouped_convolution_loses_whole_groups():
    network = nn.Sequential(
        *(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 12, 1, groups=3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 2)),
    ).eval()
    images = torch.rand(2, 3, 4, 4)
    pruner = Pruner.by("l2", network, trace(network, images[:1]))
    cut = pruner.cut((2,))
    assert (cut[2].in_channels, cut[2].out_channels, cut[2].groups) == (4, 8, 2)
    assert cut[6].in_features == 8
    torch.testing.assert_close(outputs(pruner.masked((2,)), images), outputs(cut, images))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "group layer1.0.conv1 must keep at least one"),
        ([1, 0], r"must ascend from 0 to at most 3, got \[1, 0\]"),
        ([1, 1], "must ascend"),
        ([-1, 2], "must ascend"),
        ([2, 4], "must ascend from 0 to at most 3"),
    ],
)
def test_kept_channels_that_cannot_be_are_refused(tiny, kept, message):
    with pytest.raises(ValueError, match=message):
        slice_state(tiny.pruner.state, tiny.plan, (np.array(kept, dtype=int), np.arange(8)))


def test_every_group_needs_its_kept_channels(tiny):
    with pytest.raises(ValueError, match="expected kept channels for 2 groups, got 1"):
        mask_state(tiny.pruner.state, tiny.plan, (np.arange(4),))


def test_a_cut_that_shares_takes_nothing_but_what_it_prunes(tiny):
    cut = tiny.pruner.cut((2, 8), shared=True)
    dense = dict(tiny.network.named_parameters())
    own = {n for n, p in cut.named_parameters() if p.data_ptr() != dense[n].data_ptr()}
    assert own == {
        tensor for tensor, _ in tiny.plan.owners if tensor in dense and "layer1" in tensor
    }


def test_fit_rebuilds_a_network_from_its_state(tiny):
    sliced = tiny.pruner.cut((3, 2))
    rebuilt = fit(tiny.network, state_of(sliced)).eval()
    assert torch.equal(outputs(rebuilt, tiny.images), outputs(sliced, tiny.images))


def test_slicing_and_masking_leave_the_given_state_alone(tiny):
    state = {name: tensor.clone() for name, tensor in tiny.pruner.state.items()}
    before = copy.deepcopy(state)
    kept = tiny.pruner.kept((1, 1))
    slice_state(state, tiny.plan, kept)
    mask_state(state, tiny.plan, kept)
    assert all(torch.equal(state[name], before[name]) for name in before)


@pytest.mark.parametrize("widths", [(0, 8), (5, 8), (4, 9)])
def test_widths_that_the_network_does_not_have_are_refused(tiny, widths):
    with pytest.raises(ValueError, match="must lie between 1 and"):
        tiny.pruner.cut(widths)


class Loop(nn.Module):
    """A shared block, passed through twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.widen, self.narrow = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)
        self.again = self.widen
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        images = self.narrow(self.widen(self.stem(images)).relu()).relu()
        return self.head(self.narrow(self.again(images).relu()).mean(dim=(2, 3)))


def test_a_shared_module_stays_shared_when_it_is_cut():
    network, images = Loop().eval(), torch.rand(2, 3, 6, 6)
    pruner = Pruner.by("l2", network, trace(network, images[:1]))
    cut = pruner.cut((2, 3))
    assert cut.again is cut.widen
    assert cut.widen.weight.shape[:2] == (3, 2)
    torch.testing.assert_close(outputs(pruner.masked((2, 3)), images), outputs(cut, images))


def activated(activation: nn.Module) -> nn.Module:
    """Two convolutions around an activation, the running mean off zero where there is one."""
    torch.manual_seed(0)
    if isinstance(activation, nn.BatchNorm2d):
        activation.running_mean.copy_(torch.linspace(-1, 1, 6))
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 1), activation, nn.Conv2d(6, 4, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    ).eval()


@pytest.mark.parametrize(
    "activation",
    [
        nn.ReLU(),
        nn.GELU(),
        nn.Hardswish(),
        nn.Sigmoid(),
        nn.Softplus(),
        nn.BatchNorm2d(6, affine=False),
    ],
    ids=lambda activation: type(activation).__name__,
)
def test_masked_and_sliced_agree_whatever_the_activation_makes_of_0(activation):
    network, images = activated(activation), torch.rand(2, 3, 5, 5)
    pruner = Pruner.by("l2", network, trace(network, images[:1]))
    torch.testing.assert_close(
        outputs(pruner.masked((3, 4)), images), outputs(pruner.cut((3, 4)), images)
    )
