import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from secateur.methods.pruning.criteria import rankings
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.taylor import Calibration, taylor


class Gated(nn.Module):
    """Channels that are made, scaled channel by channel, and read by a linear layer.

    `gates` multiply what the readers see: the derivative by a gate is what a channel is worth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.depth = nn.Conv2d(3, 4, 2), nn.Conv2d(4, 4, 1, groups=4)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, images: Tensor, gates: Tensor | None = None) -> Tensor:
        features = self.norm(self.depth(self.conv(images))).relu().mean(dim=(2, 3))
        return self.head(features if gates is None else features * gates)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(10, 3, 4, 4, generator=generator)
    return Calibration(images, torch.arange(10) % 3)


@pytest.fixture(scope="module")
def network() -> Gated:
    torch.manual_seed(0)
    network = Gated().eval()
    nn.init.normal_(network.norm.weight)
    return network


def test_a_score_is_the_squared_derivative_by_a_gate_mean_over_batches(network, calibration):
    plan = trace(network, calibration.inputs[:1])
    expected = np.zeros(4)
    for start in (0, 5):
        gates = torch.ones(4, requires_grad=True)
        logits = network(calibration.inputs[start : start + 5], gates)
        loss = cross_entropy(logits, calibration.labels[start : start + 5])
        (gradient,) = torch.autograd.grad(loss, gates)
        expected += gradient.numpy() ** 2 / 2
    (scores,) = taylor(network, plan, calibration, batch=5)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_the_network_is_left_as_it_was(network, calibration):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    taylor(network, trace(network, calibration.inputs[:1]), calibration)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[n], tensor) for n, tensor in network.state_dict().items())


def test_frozen_networks_are_scored_alike(network, calibration):
    plan = trace(network, calibration.inputs[:1])
    (scores,) = taylor(network, plan, calibration)
    (frozen,) = taylor(network.requires_grad_(False), plan, calibration)
    network.requires_grad_(True)
    assert scores.tolist() == frozen.tolist()


class Twice(nn.Module):
    """One convolution under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
        self.other = self.one

    def forward(self, images: Tensor, gates: Tensor | None = None) -> Tensor:
        def gated(features: Tensor) -> Tensor:
            return features if gates is None else features * gates[:, None, None]

        features = gated(self.conv(images).relu())
        features = gated(self.one(features).relu())
        features = gated(self.other(features).relu())
        return self.head(features.mean(dim=(2, 3)))


def test_a_module_under_two_names_counts_once(calibration):
    torch.manual_seed(0)
    network = Twice().eval()
    gates = torch.ones(4, requires_grad=True)
    cross_entropy(network(calibration.inputs, gates), calibration.labels).backward()
    (scores,) = taylor(network, trace(network, calibration.inputs[:1]), calibration)
    np.testing.assert_allclose(scores, gates.grad.numpy() ** 2, rtol=1e-4)


def test_scores_are_split_by_group(tiny):
    calibration = Calibration(tiny.images, torch.arange(6) % 5)
    scores = taylor(tiny.network, tiny.plan, calibration)
    assert [len(values) for values in scores] == [4, 8]
    assert all((values > 0).any() for values in scores)
    (ranking,) = rankings(tiny.network, tiny.plan, ["taylor"], calibration)
    assert [order.tolist() for order in ranking] == [
        np.argsort(-values, kind="stable").tolist() for values in scores
    ]


def test_images_are_needed(tiny):
    with pytest.raises(ValueError, match="taylor needs labelled images"):
        rankings(tiny.network, tiny.plan, ["taylor"])
