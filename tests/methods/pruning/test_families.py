"""torchvision's families of networks, cut at random widths, in both scopes.

Images are smaller than the networks' own, which changes no channel. Weights are random, BatchNorm
statistics are not what a fresh network has: both would hide mistakes.
"""

from functools import cache

import numpy as np
import pytest
import torch
import torch_pruning
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from secateur.methods.pruning.certificate import verify_graph, verify_plan
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner

FAMILIES = {  # how many groups each scope finds
    "alexnet": (7, 7),
    "vgg11_bn": (10, 10),
    "resnet18": (8, 12),
    "resnext50_32x4d": (17, 21),
    "mobilenet_v2": (20, 25),
    "mobilenet_v3_small": (23, 27),
    "efficientnet_b0": (35, 40),
    "regnet_y_400mf": (33, 37),
    "densenet121": (120, 120),
    "googlenet": (57, 57),
    "mnasnet0_5": (20, 25),
    "squeezenet1_1": (25, 25),
    "shufflenet_v2_x0_5": (18, 18),
    "convnext_tiny": (18, 18),
}


@cache
def family(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    network = getattr(torchvision.models, name)(weights=None, **options).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            for tensor in (module.running_var, module.weight.data):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return network, torch.randn(2, 3, 64, 64)


@cache
def pruner(name: str, scope: str) -> Pruner:
    network, images = family(name)
    return Pruner.by("l2", network, trace(network, images[:1], scope=scope))


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        *((name, "coupled") for name in FAMILIES),
        *((name, "inner") for name, (inner, coupled) in FAMILIES.items() if inner != coupled),
    ],
)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=2)
def test_masked_and_sliced_agree_at_any_widths(name, scope, seed):
    images = family(name)[1]
    rng = np.random.default_rng(seed)
    widths = [int(rng.integers(1, width + 1)) for width in pruner(name, scope).plan.widths]
    with torch.inference_mode():
        masked = pruner(name, scope).masked(widths)(images)
        sliced = pruner(name, scope).cut(widths, shared=True)(images)
    assert float((masked - sliced).abs().max()) <= 1e-4 * float(masked.abs().max())


@pytest.mark.parametrize("name", FAMILIES)
def test_each_scope_finds_its_groups(name):
    found = tuple(len(pruner(name, scope).plan.groups) for scope in ("inner", "coupled"))
    assert found == FAMILIES[name]


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "convnext_tiny"])
def test_the_onnx_graph_follows_the_cut(name):
    network, images = family(name)
    cut = pruner(name, "coupled")
    verify_plan(cut, images)
    verify_graph(cut, OnnxTemplate(export(network, images[:1])), images)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "mobilenet_v2"])
def test_groups_are_those_of_torch_prunings_dependency_graph(name):
    """An independent analysis (Fang et al., CVPR 2023) finds the same layers tied together."""
    network, images = family(name)
    graph = torch_pruning.DependencyGraph().build_dependency(
        network, example_inputs=images[:1], verbose=False
    )
    names = {module: layer for layer, module in network.named_modules()}
    for group in pruner(name, "coupled").plan.groups:
        root = network.get_submodule(group.name)
        assert isinstance(root, nn.Conv2d | nn.Linear)
        prune = graph.get_pruner_of_module(root).prune_out_channels
        members = graph.get_pruning_group(root, prune, list(range(root.weight.shape[0])))
        theirs = {names[dep.target.module] for dep, _ in members if dep.target.module in names}
        assert {layer for layer in theirs if any(True for _ in parameters(network, layer))} == set(
            group.layers
        )


def parameters(network: nn.Module, layer: str):
    return network.get_submodule(layer).parameters(recurse=False)
