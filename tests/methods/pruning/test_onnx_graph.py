import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from torch import Tensor, nn

from secateur.methods.measuring.session import open_session
from secateur.methods.pruning.onnx_graph import INPUT, OUTPUT, OnnxTemplate, export
from secateur.methods.tensors.weights import state_of


def run(model: bytes, images: Tensor) -> Tensor:
    (logits,) = open_session(model).run([OUTPUT], {INPUT: np.ascontiguousarray(images.numpy())})
    return torch.from_numpy(logits)


def evaluated(network: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(images)


def test_every_tensor_of_the_network_stands_under_its_name(tiny):
    graph = onnx.load_from_string(tiny.model).graph
    there = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, tensor in state_of(tiny.network).items():
        np.testing.assert_array_equal(there[name], tensor.numpy())


def test_batchnorm_is_not_folded_into_the_convolutions(tiny):
    kinds = [node.op_type for node in onnx.load_from_string(tiny.model).graph.node]
    assert kinds.count("BatchNormalization") == kinds.count("Conv") == 5


@pytest.mark.parametrize("count", [1, 3, 6])
def test_the_batch_size_is_free(tiny, count):
    images = tiny.images[:count]
    torch.testing.assert_close(
        run(tiny.model, images), evaluated(tiny.network, images), atol=1e-4, rtol=0
    )


@given(widths=st.tuples(st.integers(1, 4), st.integers(1, 8)))
@settings(max_examples=12)
def test_a_graph_filled_with_sliced_tensors_computes_what_the_cut_network_computes(tiny, widths):
    model = tiny.template.fill(tiny.pruner.sliced_state(widths))
    onnx.checker.check_model(onnx.load_from_string(model))
    expected = evaluated(tiny.pruner.cut(widths), tiny.images)
    torch.testing.assert_close(run(model, tiny.images), expected, atol=1e-4, rtol=0)


def test_a_sliced_graph_is_smaller(tiny):
    sizes = [len(tiny.template.fill(tiny.pruner.sliced_state(w))) for w in [(1, 1), (4, 8)]]
    assert sizes[0] < sizes[1]


def test_filling_a_template_leaves_it_as_it_was(tiny):
    dense = tiny.template.fill(tiny.pruner.sliced_state((4, 8)))
    tiny.template.fill(tiny.pruner.sliced_state((1, 1)))
    assert tiny.template.fill(tiny.pruner.sliced_state((4, 8))) == dense


def test_the_graph_tells_nothing_of_the_machine_it_was_made_on(tiny):
    assert b".py" not in tiny.model
    assert b"site-packages" not in tiny.model


class Net(nn.Module):
    """A convolution, a head, and what a subclass adds to the features between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.extra(self.conv(images).relu().mean(dim=(2, 3))))

    def extra(self, features: Tensor) -> Tensor:
        return features


IMAGES = torch.rand(3, 3, 6, 6)


def refill(network: nn.Module) -> Tensor:
    """Export, double every tensor of the network, fill them in, and run."""
    template = OnnxTemplate(export(network.eval(), IMAGES[:1]))
    with torch.no_grad():
        for tensor in state_of(network).values():
            tensor.mul_(2)
    return run(template.fill(state_of(network)), IMAGES)


def test_other_weights_of_the_same_network_can_be_filled_in():
    network = Net()
    torch.testing.assert_close(refill(network), evaluated(network, IMAGES), atol=1e-4, rtol=0)


def test_a_parameter_of_the_network_itself_can_be_filled_in():
    class Scaled(Net):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))

        def extra(self, features: Tensor) -> Tensor:
            return features * self.scale

    network = Scaled()
    torch.testing.assert_close(refill(network), evaluated(network, IMAGES), atol=1e-4, rtol=0)


def test_a_constant_that_is_not_in_the_state_stays():
    class Shifted(Net):
        def __init__(self) -> None:
            super().__init__()
            self.grid = nn.Module()
            self.grid.register_buffer("shift", torch.arange(4.0), persistent=False)

        def extra(self, features: Tensor) -> Tensor:
            return features + self.grid.shift

    network = Shifted()
    torch.testing.assert_close(refill(network), evaluated(network, IMAGES), atol=1e-4, rtol=0)


def test_a_network_that_cannot_be_exported_is_refused_in_one_line():
    class Undecided(Net):
        def extra(self, features: Tensor) -> Tensor:
            return features if features.sum() > 0 else -features

    with pytest.raises(ValueError, match=r"^cannot export Undecided to ONNX: .*\Z"):
        export(Undecided().eval(), IMAGES[:1])


def test_a_tensor_that_the_export_loses_is_named():
    class Unused(Net):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.Linear(4, 2)

    with pytest.raises(ValueError, match=r"lost other\.weight \(2 tensors in all\)"):
        export(Unused().eval(), IMAGES[:1])


def test_a_large_constant_that_is_no_weight_is_refused():
    class Constant(Net):
        def extra(self, features: Tensor) -> Tensor:
            return features @ torch.full((4, 4), 0.5)

    with pytest.raises(ValueError, match=r"a constant of shape \(4, 4\) that is no weight"):
        export(Constant().eval(), IMAGES[:1])
