import dataclasses
import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from secateur.methods.pruning.certificate import (
    TOLERANCE,
    Certificate,
    certify,
    verify_graph,
    verify_plan,
)
from secateur.methods.pruning.onnx_graph import OnnxTemplate, export
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner
from secateur.methods.tensors.weights import state_of

GOOD = Certificate(1e-6, 1e-6, images=4, tolerance=TOLERANCE, versions={"torch": "2"})


@pytest.mark.parametrize("difference", ["masked_vs_sliced", "torch_vs_onnx"])
def test_a_certificate_holds_where_both_differences_are_within_the_tolerance(difference):
    assert GOOD.holds
    assert dataclasses.replace(GOOD, **{difference: TOLERANCE}).holds
    assert not dataclasses.replace(GOOD, **{difference: 1.01 * TOLERANCE}).holds


@pytest.mark.parametrize("difference", ["masked_vs_sliced", "torch_vs_onnx"])
def test_a_difference_that_is_no_number_proves_nothing(difference):
    assert not dataclasses.replace(GOOD, **{difference: math.nan}).holds


def test_a_certificate_is_a_json_object_that_says_whether_it_holds():
    certificate = json.loads(json.dumps(GOOD.as_json()))
    assert certificate == {
        "masked_vs_sliced": 1e-6,
        "torch_vs_onnx": 1e-6,
        "images": 4,
        "tolerance": TOLERANCE,
        "versions": {"torch": "2"},
        "holds": True,
    }


def test_a_candidate_is_certified_in_all_its_forms(tiny):
    network = tiny.pruner.cut((3, 5))
    model = tiny.template.fill(state_of(network))
    certificate = certify(tiny.pruner, (3, 5), network, model, tiny.images)
    assert certificate.holds
    assert certificate.images == 6
    assert set(certificate.versions) == {"torch", "onnx", "onnxruntime"}


def test_a_graph_of_another_candidate_is_not_certified(tiny):
    network = tiny.pruner.cut((3, 5))
    other = tiny.template.fill(tiny.pruner.sliced_state((3, 6)))
    certificate = certify(tiny.pruner, (3, 5), network, other, tiny.images)
    assert certificate.masked_vs_sliced <= TOLERANCE < certificate.torch_vs_onnx
    assert not certificate.holds


def test_a_cut_that_computes_something_else_is_not_certified(tiny):
    class Liar(Pruner):
        def cut(self, widths):
            return super().cut((1, *widths[1:]))

    liar = Liar.by("l2", tiny.network, tiny.plan)
    network = tiny.pruner.cut((3, 5))
    model = tiny.template.fill(state_of(network))
    certificate = certify(liar, (3, 5), network, model, tiny.images)
    assert certificate.torch_vs_onnx <= TOLERANCE < certificate.masked_vs_sliced
    assert not certificate.holds


IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Between(nn.Module):
    """Two convolutions, and something between them that happens to their channels."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 1)
            self.head = nn.Linear(6, 5)
        self._between = between

    def forward(self, images: Tensor) -> Tensor:
        images = self.second(self._between(self.first(images).relu())).relu()
        return self.head(images.mean(dim=(2, 3)))


def pruner_of(network: nn.Module, **options) -> Pruner:
    return Pruner.by("l2", network, trace(network.eval(), IMAGES[:1], **options))


def shuffle(images: Tensor) -> Tensor:
    batch, channels, height, width = images.shape
    groups = images.reshape(batch, 2, channels // 2, height, width)
    return groups.transpose(1, 2).reshape(batch, channels, height, width)


HELD = {
    "reverses them": (lambda x: x.flip(1), "flip"),
    "shuffles them": (shuffle, "reshape in the network splits"),
    "rotates them": (lambda x: x.roll(1, dims=1), "roll"),
    "sorts them": (lambda x: x.sort(dim=1).values, "sort"),
    "centres them": (lambda x: x - x.mean(dim=1, keepdim=True), "mean"),
    "halves them": (lambda x: torch.cat(x.chunk(2, dim=1)[::-1], dim=1), "chunk"),
    "names one": (lambda x: x + x[:, :1], "slice"),
    "wants all of them": (lambda x: x * torch.linspace(1, 2, 8)[:, None, None], "mul"),
}


@pytest.mark.parametrize(("between", "operator"), HELD.values(), ids=HELD)
def test_an_operator_that_tells_channels_apart_holds_them_and_is_named(between, operator):
    pruner = pruner_of(Between(between))
    assert [group.name for group in pruner.plan.groups] == ["second"]
    assert operator in dict(pruner.plan.skipped)["first"]
    verify_plan(pruner, IMAGES)


WRONG = {
    "counts them": lambda x: x * x.shape[1] / 8,
    "wants eight": lambda x: x.reshape(x.shape[0], 8, *x.shape[2:]),
}


@pytest.mark.parametrize("between", WRONG.values(), ids=WRONG)
def test_code_that_depends_on_a_width_is_refused_with_the_groups_name(between):
    pruner = pruner_of(Between(between))
    assert "first" in [group.name for group in pruner.plan.groups]  # the tracing saw no harm
    with pytest.raises(ValueError, match=r"channels of first cannot be cut exactly.*pruning\.ig"):
        verify_plan(pruner, IMAGES)


@pytest.mark.parametrize("between", WRONG.values(), ids=WRONG)
def test_such_a_network_passes_once_the_group_is_ignored(between):
    verify_plan(pruner_of(Between(between), ignore=("first",)), IMAGES)


def test_an_ordinary_network_passes(tiny):
    verify_plan(tiny.pruner, tiny.images)
    verify_plan(pruner_of(Between(lambda images: images)), IMAGES)


def test_shapes_that_follow_the_input_are_cut_at_any_size():
    def between(images: Tensor) -> Tensor:
        batch, channels, height, width = images.shape
        grown = nn.functional.interpolate(images, size=(height * 2, width * 2))
        return grown.view(batch, channels, height * width * 4).view(batch, channels, -1, width)

    network = Between(between)
    verify_plan(pruner_of(network), IMAGES)
    pruner = pruner_of(network)
    other = torch.rand(3, 3, 12, 10)
    with torch.inference_mode():
        masked, sliced = (form((3, 2))(other) for form in (pruner.masked, pruner.cut))
    torch.testing.assert_close(masked, sliced)


def test_a_group_of_one_channel_passes():
    network = nn.Sequential(
        *(nn.Conv2d(3, 1, 1), nn.ReLU(), nn.Conv2d(1, 4, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )
    verify_plan(pruner_of(network), IMAGES)


def test_groups_that_only_together_are_cut_wrongly_are_refused():
    class Conspiracy(Between):
        def forward(self, images: Tensor) -> Tensor:
            first = self.first(images).relu()
            second = self.second(first).relu()
            both = first.shape[1] < 8 and second.shape[1] < 6
            return self.head((2 if both else 1) * second.mean(dim=(2, 3)))

    with pytest.raises(ValueError, match="not independent of each other"):
        verify_plan(pruner_of(Conspiracy(lambda images: images)), IMAGES)


def test_a_graph_that_follows_the_cut_passes(tiny):
    verify_graph(tiny.pruner, tiny.template, tiny.images)


def test_a_graph_of_another_network_is_refused_before_a_cut():
    other = OnnxTemplate(export(Between(lambda images: 2 * images).eval(), IMAGES[:1]))
    with pytest.raises(ValueError, match=r"graph of Between differs .* before anything is cut"):
        verify_graph(pruner_of(Between(lambda images: images)), other, IMAGES)


def test_a_graph_that_does_not_follow_a_cut_is_refused():
    pruner = pruner_of(Between(WRONG["counts them"]))
    graph = OnnxTemplate(export(pruner.network, IMAGES[:1]))
    with pytest.raises(ValueError, match=r"graph of Between cannot be cut exactly: it differs"):
        verify_graph(pruner, graph, IMAGES)


def test_a_graph_that_computes_no_numbers_is_refused():
    pruner = pruner_of(Between(lambda images: images - images.sum() * torch.inf))
    graph = OnnxTemplate(export(pruner.network, IMAGES[:1]))
    with pytest.raises(ValueError, match="differs from PyTorch by nan before anything is cut"):
        verify_graph(pruner, graph, IMAGES)
