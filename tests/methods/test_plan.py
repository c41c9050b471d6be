from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from secateur.methods.networks import ResNet, cifar_resnet
from secateur.methods.plan import Layer, Plan, Slice, trace

IMAGE = torch.zeros(1, 3, 8, 8)


class Net(nn.Module):
    """Layers by name and a forward of one's own."""

    def __init__(self, forward: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self._own_forward = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, images: Tensor) -> Tensor:
        return self._own_forward(self, images)


def chain(*names: str) -> Callable[[nn.Module, Tensor], Tensor]:
    """Layers one after the other, a ReLU after each, and the mean over pixels before the head."""

    def forward(net: nn.Module, images: Tensor) -> Tensor:
        for name in names:
            images = net.get_submodule(name)(images).relu()
        return net.get_submodule("head")(images.mean(dim=(2, 3)))

    return forward


def plan_of(network: nn.Module, **options) -> Plan:
    return trace(network.eval(), IMAGE, **options)


def names(plan: Plan) -> list[str]:
    return [group.name for group in plan.groups]


def test_a_group_owns_its_filters_its_batchnorm_and_the_inputs_of_its_reader(tiny):
    (group, _) = tiny.plan.groups
    assert (group.name, group.width) == ("layer1.0.conv1", 4)
    assert group.slices[0] == Slice("layer1.0.conv1.weight", 0)
    assert set(group.slices) == {
        Slice("layer1.0.conv1.weight", 0),
        *(
            Slice(f"layer1.0.bn1.{part}", 0)
            for part in ("weight", "bias", "running_mean", "running_var")
        ),
        Slice("layer1.0.conv2.weight", 1),
    }


def test_a_bias_belongs_to_its_group():
    plan = plan_of(
        Net(chain("a", "b"), a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(6, 4, 1), head=nn.Linear(4, 2))
    )
    assert names(plan) == ["a", "b"]
    assert set(plan.groups[0].slices) == {
        Slice("a.weight", 0),
        Slice("a.bias", 0),
        Slice("b.weight", 1),
    }
    assert set(plan.groups[1].slices) == {
        Slice("b.weight", 0),
        Slice("b.bias", 0),
        Slice("head.weight", 1),
    }


@pytest.mark.parametrize(("depth", "groups"), [(20, 9), (56, 27)])
def test_a_cifar_resnet_has_one_inner_group_a_block_and_its_residual_streams_stay(depth, groups):
    plan = trace(cifar_resnet(depth).eval(), torch.zeros(1, 3, 32, 32))
    assert len(plan.groups) == groups
    assert all(group.name.endswith("conv1") and "layer" in group.name for group in plan.groups)
    skipped = dict(plan.skipped)
    assert set(skipped) == {"conv1"} | {g.name.replace("conv1", "conv2") for g in plan.groups}
    assert all("added to those of" in reason for reason in skipped.values())


def test_every_owned_dimension_has_one_owner(tiny):
    owners = tiny.plan.owners()
    assert len(owners) == sum(len(group.slices) for group in tiny.plan.groups)
    for (tensor, dim), index in owners.items():
        assert tiny.pruner.state[tensor].shape[dim] == tiny.plan.groups[index].width


def test_depthwise_and_grouped_convolutions_and_what_reaches_them_are_skipped_with_a_reason():
    plan = plan_of(
        Net(
            chain("stem", "depthwise", "grouped", "last"),
            stem=nn.Conv2d(3, 4, 3),
            depthwise=nn.Conv2d(4, 4, 3, groups=4),
            grouped=nn.Conv2d(4, 8, 1, groups=2),
            last=nn.Conv2d(8, 6, 1),
            head=nn.Linear(6, 2),
        )
    )
    assert names(plan) == ["last"]
    assert dict(plan.skipped) == {
        "stem": "they reach the grouped convolution depthwise",
        "depthwise": "a grouped convolution",
        "grouped": "a grouped convolution",
    }


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.GroupNorm(2, 6), "GroupNorm"),
        (nn.InstanceNorm2d(6, affine=True), "InstanceNorm2d"),
        (nn.PReLU(6), "PReLU"),
        (nn.ConvTranspose2d(6, 6, 1), "ConvTranspose2d"),
    ],
)
def test_a_layer_that_is_not_sliced_is_named(layer, kind):
    plan = plan_of(
        Net(
            chain("stem", "other", "last"),
            stem=nn.Conv2d(3, 6, 3),
            other=layer,
            last=nn.Conv2d(6, 6, 1),
            head=nn.Linear(6, 2),
        )
    )
    assert names(plan) == ["last"]
    assert dict(plan.skipped) == {"stem": f"they reach other, a {kind}"}


def test_channels_that_are_flattened_with_their_pixels_are_skipped():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        return net.head(net.b(net.a(images).relu()).relu().flatten(1))

    plan = plan_of(
        Net(
            forward,
            a=nn.Conv2d(3, 4, 3, stride=4),
            b=nn.Conv2d(4, 6, 1),
            head=nn.Linear(6 * 4, 2),
        )
    )
    assert names(plan) == ["a"]
    assert dict(plan.skipped) == {"b": "its channels are rearranged on the way to head"}


def test_channels_that_only_the_output_reads_are_skipped():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        return net.b(net.a(images).relu()).mean(dim=(2, 3))

    plan = plan_of(Net(forward, a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(4, 5, 1)))
    assert names(plan) == ["a"]
    assert dict(plan.skipped) == {"b": "nothing reads them but the output"}


def test_every_branch_of_a_concatenation_is_skipped():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        both = torch.cat([net.left(images), net.right(images)], dim=1).relu()
        return net.head(net.join(both).relu().mean(dim=(2, 3)))

    plan = plan_of(
        Net(
            forward,
            left=nn.Conv2d(3, 4, 3),
            right=nn.Conv2d(3, 4, 3),
            join=nn.Conv2d(8, 6, 1),
            head=nn.Linear(6, 2),
        )
    )
    assert names(plan) == ["join"]
    assert set(dict(plan.skipped)) == {"left", "right"}


def test_a_convolution_of_one_channel_is_a_group_of_width_1():
    plan = plan_of(
        Net(chain("a", "b"), a=nn.Conv2d(3, 1, 3), b=nn.Conv2d(1, 4, 1), head=nn.Linear(4, 2))
    )
    assert [(group.name, group.width) for group in plan.groups] == [("a", 1), ("b", 4)]


class Loop(nn.Module):
    """One block of two convolutions that is passed through twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.widen, self.narrow = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        images = self.stem(images)
        for _ in range(2):
            images = self.narrow(self.widen(images).relu()).relu()
        return self.head(images.mean(dim=(2, 3)))


def test_a_module_that_is_shared_is_cut_once_and_counted_as_often_as_it_runs():
    plan = plan_of(Loop())
    assert names(plan) == ["widen"]
    assert set(plan.groups[0].slices) == {
        Slice("widen.weight", 0),
        Slice("widen.bias", 0),
        Slice("narrow.weight", 1),
    }
    assert [layer.weight.split(".")[0] for layer in plan.layers] == [
        *["stem", "widen", "narrow", "widen", "narrow", "head"]
    ]


def test_layers_are_noted_with_the_number_of_their_positions():
    plan = plan_of(
        Net(
            chain("a", "b"),
            a=nn.Conv2d(3, 4, 3, stride=2, padding=1),
            b=nn.Conv2d(4, 6, 1),
            head=nn.Linear(6, 2),
        )
    )
    assert plan.layers == (
        Layer("a.weight", (4, 3, 3, 3), 16),
        Layer("b.weight", (6, 4, 1, 1), 16),
        Layer("head.weight", (2, 6), 1),
    )


def resnet() -> ResNet:
    return ResNet(blocks=2, widths=(4, 8), in_channels=3, classes=5)


def test_an_ignored_layer_is_skipped_and_says_so():
    plan = plan_of(resnet(), ignore=("layer1*", "layer2.0.conv1"))
    assert names(plan) == ["layer2.1.conv1"]
    assert dict(plan.skipped)["layer1.0.conv1"] == "ignored by the configuration"


def test_a_pattern_that_matches_no_convolution_is_refused():
    with pytest.raises(
        ValueError, match=r"'layer9\*' matches no convolution; there are conv1, lay"
    ):
        plan_of(resnet(), ignore=("layer1*", "layer9*"))


def test_a_network_without_any_group_is_refused_with_reasons():
    with pytest.raises(ValueError, match=r"ResNet has no group .* \(conv1: ignored"):
        plan_of(resnet(), ignore=("*",))


def test_a_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        trace(resnet().train(), IMAGE)


def test_a_network_that_cannot_be_traced_is_named():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        raise RuntimeError(f"no way through {type(net).__name__} for {images.ndim} dimensions")

    with pytest.raises(ValueError, match="cannot trace Net for pruning: RuntimeError: no way"):
        plan_of(Net(forward, a=nn.Conv2d(3, 4, 3)))


def test_a_frozen_network_has_the_same_plan():
    frozen = resnet().requires_grad_(False)
    assert plan_of(frozen) == plan_of(resnet())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_tracing_leaves_the_network_as_it_was():
    network = resnet().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    plan_of(network)
    assert not network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_same_network_has_the_same_plan_every_time():
    assert plan_of(resnet()) == plan_of(resnet())
