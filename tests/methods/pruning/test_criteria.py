import typing

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from secateur.cluster.settings.config import CriterionName
from secateur.methods.pruning.criteria import CRITERIA, FROM_WEIGHTS, keep, rankings
from secateur.methods.pruning.plan import Plan, trace
from secateur.methods.tensors.weights import State, state_of


class Gated(nn.Module):
    """Channels made by a convolution and a depthwise one, scaled by BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.depth = nn.Conv2d(3, 4, 2), nn.Conv2d(4, 4, 1, groups=4)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.depth(self.conv(images))).relu().mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def gated() -> tuple[Plan, State]:
    torch.manual_seed(0)
    network = Gated().eval()
    nn.init.normal_(network.norm.weight)
    return trace(network, torch.zeros(1, 3, 4, 4)), state_of(network)


def filters(state: State) -> NDArray[np.float64]:
    """What makes each channel: three times four weights of one layer, one of the other."""
    return np.concatenate(
        [state["conv.weight"].numpy().reshape(4, 12), state["depth.weight"].numpy().reshape(4, 1)],
        axis=1,
    ).astype(np.float64)


EXPECTED = {
    "l1": lambda state: np.abs(filters(state)).sum(axis=1),
    "l2": lambda state: np.sqrt((filters(state) ** 2).sum(axis=1)),
    "fpgm": lambda state: np.array(
        [sum(np.linalg.norm(one - other) for other in filters(state)) for one in filters(state)]
    ),
    "bn_scale": lambda state: np.abs(state["norm.weight"].numpy()),
}


@pytest.mark.parametrize("criterion", EXPECTED)
def test_a_criterion_is_what_its_paper_says(gated, criterion):
    plan, state = gated
    scores = FROM_WEIGHTS[criterion](plan, 0, state)
    np.testing.assert_allclose(scores, EXPECTED[criterion](state), rtol=1e-6)


def test_random_scores_are_the_same_every_time_and_differ_between_groups(tiny):
    one, again = (FROM_WEIGHTS["random"](tiny.plan, 0, {}) for _ in range(2))
    assert one.tolist() == again.tolist()
    assert one[0] != FROM_WEIGHTS["random"](tiny.plan, 1, {})[0]


def test_bn_scale_needs_a_batchnorm():
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    ).eval()
    plan = trace(network, torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"bn_scale needs a BatchNorm .* in every group, 0 has no"):
        rankings(network, plan, ["bn_scale"])


def test_a_unit_of_several_outputs_is_scored_as_a_whole():
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    ).eval()
    plan, state = trace(network, torch.zeros(1, 3, 4, 4)), state_of(network)
    both = torch.cat([state["0.weight"].reshape(2, -1), state["1.weight"].reshape(2, -1)], dim=1)
    np.testing.assert_allclose(FROM_WEIGHTS["l2"](plan, 0, state), both.norm(dim=1), rtol=1e-6)


def test_a_ranking_goes_from_the_largest_norm_to_the_least(tiny):
    (ranking,) = rankings(tiny.network, tiny.plan, ["l2"])
    for group, order in zip(tiny.plan.groups, ranking, strict=True):
        norms = tiny.network.get_submodule(group.name).weight.detach().flatten(1).norm(dim=1)
        assert sorted(order.tolist()) == list(range(group.width))
        assert torch.all(norms[order[:-1].copy()] >= norms[order[1:].copy()])


def test_equal_channels_are_ranked_by_their_index():
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    ).eval()
    nn.init.ones_(network[0].weight)
    ((order,),) = rankings(network, trace(network, torch.zeros(1, 3, 4, 4)), ["l2"])
    assert order.tolist() == [0, 1, 2, 3]


def test_every_criterion_has_its_name_in_the_configuration():
    assert set(typing.get_args(CriterionName)) == set(CRITERIA)


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
