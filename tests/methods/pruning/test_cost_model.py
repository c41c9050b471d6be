import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from secateur.methods.networks import cifar_resnet
from secateur.methods.pruning.cost import Cost
from secateur.methods.pruning.cost_model import CostModel
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner
from secateur.methods.tensors.weights import state_of


class NoActivations:
    """A memory model of a network that computes in place."""

    def peak_activation_bytes(self, genomes: np.ndarray, batch: int) -> np.ndarray:
        return np.zeros(len(genomes)) * batch


def without_activations(pruner: Pruner) -> CostModel:
    counts = Counts(pruner.plan, pruner.network)
    return CostModel(counts, NoActivations(), groups=len(pruner.plan.groups), batch=1)


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 40.55), (32, 68.86), (56, 125.49), (110, 252.89)]
)
def test_a_cifar_resnet_has_the_published_number_of_macs(depth, millions):
    network = cifar_resnet(depth).eval()
    pruner = Pruner.by("l2", network, trace(network, torch.zeros(1, 3, 32, 32)))
    cost = without_activations(pruner)
    dense = [group.width for group in pruner.plan.groups]
    assert cost(dense).macs == pytest.approx(millions * 1e6, abs=0.005e6)
    assert cost(dense).params == sum(parameter.numel() for parameter in network.parameters())


def test_torchvisions_resnet50_has_the_published_number_of_macs():
    network = torchvision.models.resnet50(weights=None).eval()
    plan = trace(network, torch.zeros(1, 3, 224, 224))
    (macs,) = Counts(plan, network).macs(np.array([plan.widths]))
    assert macs == pytest.approx(4089e6, abs=0.5e6)


def test_layers_without_kernels_have_kernels_of_one():
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    layers = Counts(trace(network, torch.zeros(1, 3, 4, 4)), network).layers
    assert layers.fixed[:, 2:].tolist() == [[1, 1], [1, 1]]


def macs_of(network: nn.Module, images: Tensor) -> int:
    """Multiply-adds of one image, counted while the network runs."""
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(images[:1])
    return total


@given(widths=st.tuples(st.integers(1, 4), st.integers(1, 8)))
@settings(max_examples=12)
def test_what_is_counted_on_the_plan_is_what_the_cut_network_has(tiny, widths):
    cost = without_activations(tiny.pruner)(widths)
    cut = tiny.pruner.cut(widths)
    assert cost.params == sum(parameter.numel() for parameter in cut.parameters())
    assert cost.macs == macs_of(cut, tiny.images)
    assert cost.memory_bytes == 4 * sum(tensor.numel() for tensor in state_of(cut).values())


def test_many_genomes_cost_what_each_of_them_costs(tiny):
    cost = CostModel.of(tiny.pruner, tiny.template, shape=tiny.shape, batch=1)
    genomes = np.array([[4, 8], [1, 1], [3, 5]])
    each = [cost(tuple(row)) for row in genomes.tolist()]
    assert cost.macs(genomes).tolist() == [one.macs for one in each]
    assert cost.params(genomes).tolist() == [one.params for one in each]
    assert cost.memory_bytes(genomes).tolist() == [one.memory_bytes for one in each]


class Small(nn.Module):
    """A residual block around an inner group of four channels; small enough for paper."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        self.wide, self.back = nn.Conv2d(2, 4, 1, bias=False), nn.Conv2d(4, 2, 1, bias=False)
        self.head = nn.Linear(2, 3)

    def forward(self, images: Tensor) -> Tensor:
        images = self.stem(images)
        images = images + self.back(self.wide(images).relu())
        return self.head(images.mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def small() -> CostModel:
    network, image = Small().eval(), torch.rand(1, 1, 4, 4)
    pruner = Pruner.by("l2", network, trace(network, image))
    template = OnnxTemplate(export(network, image))
    return CostModel.of(pruner, template, shape=(1, 4, 4), batch=2)


@pytest.mark.parametrize(
    ("width", "macs", "params", "floats"),
    [
        # At the ReLU the stem's 2 x 16 numbers wait for the addition beside 16 in and 16 out a
        # channel; at width 1, the second convolution and the addition hold as many or more.
        (4, 16 * (9 * 2 + 2 * 4 + 4 * 2) + 6, 18 + 8 + 8 + 9, 32 + 64 + 64),
        (2, 16 * (9 * 2 + 2 * 2 + 2 * 2) + 6, 18 + 4 + 4 + 9, 32 + 32 + 32),
        (1, 16 * (9 * 2 + 2 * 1 + 1 * 2) + 6, 18 + 2 + 2 + 9, 32 + 32 + 32),
    ],
)
def test_a_small_network_costs_what_it_costs_on_paper(small, width, macs, params, floats):
    batch = 2
    expected = Cost(macs, params, memory_bytes=4 * (params + batch * floats))
    assert small((width,)) == expected
