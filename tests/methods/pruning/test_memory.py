from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from secateur.methods.pruning.memory import MemoryModel, activation_sizes
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner
from secateur.methods.tensors.weights import shapes_of


class Wide(nn.Module):
    """Two residual blocks that are wider inside than outside, so that the widths matter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.wide, self.back = nn.Conv2d(2, 12, 1), nn.Conv2d(12, 2, 1)
        self.wider, self.forth = nn.Conv2d(4, 40, 1), nn.Conv2d(40, 4, 1)
        self.norm = nn.BatchNorm2d(40)
        self.head = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        images = self.stem(images)
        images = self.down(images + self.back(self.wide(images).relu()))
        images = images + self.forth(self.norm(self.wider(images)).relu())
        return self.head(images.flatten(2).mean(dim=2))


SHAPE = (3, 6, 6)


@pytest.fixture(scope="module")
def wide() -> SimpleNamespace:
    network, image = Wide().eval(), torch.rand(1, *SHAPE)
    pruner = Pruner.by("l2", network, trace(network, image, ignore=("stem", "down")))
    assert [group.width for group in pruner.plan.groups] == [12, 40]
    template = OnnxTemplate(export(network, image))
    memory = MemoryModel(pruner.plan, shapes_of(pruner.state), template, shape=SHAPE)
    return SimpleNamespace(pruner=pruner, template=template, memory=memory)


def simulated_peak(model: bytes, shape: tuple[int, ...]) -> int:
    """Run the graph on paper: allocate a node's outputs, then free what nobody reads any more."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    sizes = activation_sizes(proto, shape)
    readers = [*(set(node.input) for node in graph.node), {v.name for v in graph.output}]
    alive = {value.name for value in graph.input}
    peak = 0
    for step, node in enumerate(graph.node):
        alive |= set(node.output)
        peak = max(peak, sum(sizes.get(name, 0) for name in alive))
        alive &= set().union(*readers[step + 1 :])
    return peak


@given(widths=st.tuples(st.integers(1, 12), st.integers(1, 40)))
@settings(max_examples=30)
def test_the_model_agrees_with_an_analysis_of_the_sliced_graph(wide, widths):
    sliced = wide.template.fill(wide.pruner.sliced_state(widths))
    predicted = wide.memory.peak_activation_bytes(np.array([widths]), batch=1)
    assert predicted.tolist() == [4 * simulated_peak(sliced, SHAPE)]


def test_one_group_does_not_matter_where_the_other_needs_more(wide):
    genomes = np.array([[12, 1], [12, 8], [1, 40], [3, 40], [12, 40]])
    first, second, *rest = wide.memory.peak_activation_bytes(genomes, batch=1).tolist()
    assert first == second == 4 * 36 * (2 + 12 + 12)  # the ReLU, while the shortcut waits
    assert rest[0] == rest[1] == 4 * 9 * (4 + 40 + 40)
    assert rest[2] == max(first, rest[0])


def test_the_peak_grows_with_the_batch(wide):
    genomes = np.array([[12, 40], [1, 2]])
    one, five = (wide.memory.peak_activation_bytes(genomes, batch) for batch in (1, 5))
    assert five.tolist() == (5 * one).tolist()


def test_fewer_channels_never_need_more(wide):
    genomes = np.array([[w, v] for w in range(1, 13) for v in range(1, 41)])
    peaks = wide.memory.peak_activation_bytes(genomes, 1).reshape(12, 40)
    assert np.all(np.diff(peaks, axis=0) >= 0)
    assert np.all(np.diff(peaks, axis=1) >= 0)
    assert peaks[0, 0] < peaks[0, -1] != peaks[-1, 0] > peaks[0, 0]


def test_every_activation_of_the_graph_has_a_size_and_no_weight_has(tiny):
    model = onnx.load_from_string(tiny.model)
    graph = model.graph
    sizes = activation_sizes(model, tiny.shape)
    weights = {tensor.name for tensor in graph.initializer}
    assert sizes["images"] == 3 * 8 * 8
    assert sizes["logits"] == 5
    assert not weights & set(sizes)
    convolved = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Conv"}
    assert len(convolved) == 5
    channels = {"conv1.weight": 4, "layer1.0.conv1.weight": 4, "layer1.0.conv2.weight": 4}
    for output, weight in convolved.items():
        assert sizes[output] == (channels[weight] * 64 if weight in channels else 8 * 16)
