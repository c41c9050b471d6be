import numpy as np
import pytest
import torch

from secateur.methods.criteria import keep, l2, rankings


def test_the_l2_criterion_is_the_euclidean_norm_of_each_filter():
    weight = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = np.sqrt((weight.numpy() ** 2).reshape(4, -1).sum(axis=1))
    np.testing.assert_allclose(l2(weight), expected, rtol=1e-6)


def test_a_ranking_goes_from_the_largest_norm_to_the_least(tiny):
    for group, order in zip(
        tiny.plan.groups, rankings(tiny.plan, tiny.pruner.state, "l2"), strict=True
    ):
        norms = tiny.network.get_submodule(group.name).weight.detach().flatten(1).norm(dim=1)
        assert sorted(order.tolist()) == list(range(group.width))
        assert torch.all(norms[order[:-1].copy()] >= norms[order[1:].copy()])


def test_equal_channels_are_ranked_by_their_index(tiny):
    state = {name: torch.ones_like(tensor) for name, tensor in tiny.pruner.state.items()}
    for order in rankings(tiny.plan, state, "l2"):
        assert order.tolist() == list(range(len(order)))


def test_the_most_important_channels_stay_in_their_old_order():
    (kept,) = keep((np.array([5, 0, 3, 1, 4, 2]),), [3])
    assert kept.tolist() == [0, 3, 5]


def test_a_dense_width_keeps_every_channel():
    (kept,) = keep((np.array([2, 0, 1]),), [3])
    assert kept.tolist() == [0, 1, 2]


@pytest.mark.parametrize("width", [0, 4, -1])
def test_a_width_that_the_group_does_not_have_is_refused(width):
    with pytest.raises(ValueError, match=rf"widths\[1\] must lie between 1 and 3, got {width}"):
        keep((np.arange(5), np.arange(3)), [5, width])


@pytest.mark.parametrize("widths", [[3], [3, 3, 3]])
def test_every_group_has_one_width(widths):
    with pytest.raises(ValueError, match="zip"):
        keep((np.arange(5), np.arange(3)), widths)
