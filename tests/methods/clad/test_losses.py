import numpy as np
import pytest
import torch

from secateur.methods.clad.losses import Macs, polarisation
from secateur.methods.networks import cifar_resnet
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.plan import trace

CHANNELS = 3 * (16 + 32 + 64)
"""Those of a ResNet-20's inner groups."""


@pytest.fixture(scope="module")
def macs() -> Macs:
    network = cifar_resnet(20).eval()
    plan = trace(network, torch.zeros(1, 3, 32, 32))
    return Macs(Counts(plan, network).layers, plan.widths)


@pytest.mark.parametrize("share", [0.2, 0.47, 0.7])
def test_the_least_polarisation_has_that_share_of_the_gates_open(share):
    opened = np.arange(101)
    gates = torch.from_numpy(np.tri(101, 100, -1))  # none of 100 is open, one, ..., all
    values = [float(polarisation(one, share)) for one in gates]
    assert opened[np.argmin(values)] == round(100 * share)


@pytest.mark.parametrize("share", [0.4, 0.47, 0.6])
def test_descending_polarisation_alone_decides_every_gate(share):
    """At which share it stops hangs on where it began: anywhere from 2 share - 1 to 2 share."""
    generator = torch.Generator().manual_seed(0)
    gates = torch.rand(1000, generator=generator).requires_grad_()
    for _ in range(4000):
        (slope,) = torch.autograd.grad(polarisation(gates, share), gates)
        with torch.no_grad():
            gates.sub_(5.0 * slope).clamp_(0, 1)
    settled = gates.detach()
    assert float(((settled < 0.01) | (settled > 0.99)).float().mean()) > 0.99
    assert 2 * share - 1 <= float((settled > 0.5).float().mean()) <= 2 * share


def test_polarisation_is_what_the_formula_says():
    gates = torch.tensor([0.0, 0.5, 1.0])
    expected = np.mean([0.4 * 0.0 - 0.5, 0.4 * 0.5 - 0.0, 0.4 * 1.0 - 0.5])
    assert float(polarisation(gates, 0.4)) == pytest.approx(expected)


def test_a_dense_resnet20_has_40_55_million_multiply_adds(macs):
    assert macs.dense == pytest.approx(40.55e6, rel=1e-3)
    assert float(macs(torch.ones(CHANNELS))) == 1.0


def test_the_gradient_of_a_gate_is_what_its_channel_costs(macs):
    gates = torch.full((CHANNELS,), 0.5, requires_grad=True)
    (slope,) = torch.autograd.grad(macs(gates), gates)
    channel = 2 * 9 * 16 * 32 * 32  # what makes it and what reads it, in the first stage
    assert float(slope[0]) == pytest.approx(channel / macs.dense, rel=1e-6)


@pytest.mark.parametrize("target", [0.2, 0.47, 0.9])
def test_the_share_kept_everywhere_costs_the_target(macs, target):
    share = macs.share_kept(target)
    assert float(macs(torch.full((CHANNELS,), share))) == pytest.approx(target, abs=1e-5)


def test_what_cannot_be_reached_keeps_nothing(macs):
    assert macs.share_kept(1e-9) == pytest.approx(0.0, abs=1e-6)
