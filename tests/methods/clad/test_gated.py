"""Gates against cuts: what a gate of 0 does is what a cut does, in every kind of network."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from secateur.methods.clad.cutting import ranking_by
from secateur.methods.clad.gated import GatedNetwork
from secateur.methods.clad.losses import Macs
from secateur.methods.models.named import load_model
from secateur.methods.networks import cifar_mobilenet_v2, cifar_resnet, cifar_vgg16_bn
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.plan import Plan, trace
from secateur.methods.pruning.surgery import Pruner, fit
from secateur.methods.training.attention import AttentionTransfer
from secateur.methods.training.precision import answers

COUPLED = "resnet20, coupled"
"""Where residual streams are cut as well, and with them the zeros that pad shortcuts."""

NETWORKS = {
    "resnet20, padding": lambda: cifar_resnet(20),
    "resnet20, projection": lambda: cifar_resnet(20, shortcut="projection"),
    "bottleneck": lambda: load_model("torchvision:resnet50", shape=(3, 32, 32)).network,
    "vgg16": cifar_vgg16_bn,
    "mobilenet v2": cifar_mobilenet_v2,
    "no batchnorm": lambda: load_model("torchvision:alexnet", shape=(3, 64, 64)).network,
    COUPLED: lambda: cifar_resnet(20),
}


def planned(name: str) -> Plan:
    network, images = dense(name)
    return trace(network, images[:1], scope="coupled" if name == COUPLED else "inner")


@cache
def dense(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            for tensor in (module.running_var, module.weight.data):
                nn.init.uniform_(tensor, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    size = 64 if name == "no batchnorm" else 32
    return network, torch.randn(2, 3, size, size)


def gated(name: str, **options) -> GatedNetwork:
    network, _ = dense(name)
    settings = {"sight": "raw", "hidden": 8, "through": False, "least": 0.0, "seed": 0} | options
    return GatedNetwork(fit(network, {}), planned(name), **settings).eval()


def with_scores(one: GatedNetwork, seed: int = 0) -> list[np.ndarray]:
    """Open and close gates at random, at least one of each group open."""
    rng = np.random.default_rng(seed)
    for learner in one.learners:
        width = len(learner.logits)
        scores = rng.normal(size=width)
        scores[rng.integers(width)] = 1.0
        learner.logits.data = torch.from_numpy(scores).float()
    return one.scores


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_with_hard_gates_is_the_network_that_is_cut(name):
    network, images = dense(name)
    plan = planned(name)
    one = gated(name, sight="logits")
    scores = with_scores(one)
    one.acting = "hard"
    widths = tuple(int((s > 0).sum()) for s in scores)
    pruner = Pruner(network, plan, (ranking_by(scores),))
    with torch.inference_mode():
        ours, cut = one(images), pruner.cut(widths)(images)
    assert float((ours - cut).abs().max() / cut.abs().max()) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_with_hard_gates_looks_where_the_network_that_is_cut_does(name):
    network, images = dense(name)
    one = gated(name, sight="logits")
    scores = with_scores(one)
    one.acting = "hard"
    pruner = Pruner(network, planned(name), (ranking_by(scores),))
    cut = pruner.cut(tuple(int((s > 0).sum()) for s in scores))
    transfer = AttentionTransfer(one.network, cut, images[:1])
    with torch.inference_mode():
        one(images), cut(images)
        assert float(transfer.loss(one.acted_on(transfer.ends))) < 1e-9


@pytest.mark.parametrize("name", NETWORKS)
def test_multiply_adds_of_gates_of_0_and_1_are_those_of_the_cut_network(name):
    network, _ = dense(name)
    plan = planned(name)
    counts, rng = Counts(plan, network), np.random.default_rng(1)
    macs = Macs(counts.layers, plan.widths)
    for _ in range(5):
        gates = torch.from_numpy((rng.random(sum(plan.widths)) < 0.6).astype(np.float32))
        for part in gates.split(plan.widths):
            part[0] = 1.0
        widths = [int(part.sum()) for part in gates.split(plan.widths)]
        (expected,) = counts.macs(np.array([widths]))
        assert float(macs(gates)) * macs.dense == pytest.approx(expected, abs=1e-3)


def test_open_gates_change_nothing():
    network, images = dense("resnet20, padding")
    one = gated("resnet20, padding", sight="logits")
    for learner in one.learners:
        nn.init.constant_(learner.logits, 1.0)
    one.acting = "hard"
    with torch.inference_mode():
        torch.testing.assert_close(one(images), network(images))


def test_soft_gates_folded_into_the_weights_compute_the_same():
    images = dense("resnet20, padding")[1]
    one = gated("resnet20, padding", sight="statistics")
    with torch.inference_mode():
        torch.testing.assert_close(fit(one.network, one.folded())(images), one(images))


def test_gates_begin_nearly_open_and_differ_by_filter():
    one = gated("resnet20, padding")
    with torch.no_grad():
        one(dense("resnet20, padding")[1])
    assert 0.5 < float(one.soft.min()) < float(one.soft.max()) < 0.999
    assert len(one.soft.unique()) == len(one.soft)


def test_gates_are_computed_in_fp32_whatever_the_network_is_in():
    images = dense("resnet20, padding")[1]
    one = gated("resnet20, padding")
    with torch.no_grad():
        exact = answers(one, images, "fp32"), one.soft
        near = answers(one, images, "bf16"), one.soft
    assert torch.equal(exact[1], near[1])
    assert not torch.equal(exact[0], near[0])


def test_the_same_seed_makes_the_same_learners_and_touches_no_generator():
    before = torch.get_rng_state()
    first, again, other = (gated("resnet20, padding", seed=seed).scores for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("through", [False, True])
def test_filters_have_a_gradient_from_their_scores_only_where_that_is_asked_for(through):
    one = gated("resnet20, padding", through=through)
    one(dense("resnet20, padding")[1])
    gradients = torch.autograd.grad(
        one.soft.sum(), list(one.network.parameters()), allow_unused=True
    )
    assert any(gradient is not None for gradient in gradients) == through


@pytest.mark.parametrize("acting", ["soft", "straight-through"])
def test_learners_and_weights_have_a_gradient(acting):
    one = gated("resnet20, padding").train()
    one.acting = acting
    one(dense("resnet20, padding")[1]).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in one.learners.parameters())
    assert one.network.get_parameter("conv1.weight").grad.abs().sum() > 0


def test_straight_through_gates_act_as_0_and_1():
    one = gated("resnet20, padding", sight="logits")
    with_scores(one)
    one.acting = "straight-through"
    one(dense("resnet20, padding")[1])
    assert set(one.gates.detach().round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert one.gates.requires_grad


def test_a_cold_gate_is_decided():
    one = gated("resnet20, padding", sight="logits")
    with_scores(one)
    images = dense("resnet20, padding")[1]
    shares = []
    for one.temperature in (1.0, 0.1):
        with torch.no_grad():
            one(images)
        shares.append(float(((one.soft > 0.1) & (one.soft < 0.9)).float().mean()))
    assert shares[1] < shares[0] / 3
