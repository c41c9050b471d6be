from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from secateur.methods.networks import ResNet, cifar_resnet
from secateur.methods.pruning.flow import Layer
from secateur.methods.pruning.plan import Plan, trace

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


def owned(plan: Plan, group: int) -> set[tuple[str, int]]:
    """The dimensions in which a group has entries."""
    first, last = plan.offsets[group], plan.offsets[group + 1]
    return {key for key, owner in plan.owners.items() if ((owner >= first) & (owner < last)).any()}


def same(one: Plan, other: Plan) -> bool:
    return (one.groups, one.layers, one.skipped) == (
        other.groups,
        other.layers,
        other.skipped,
    ) and {key: owner.tolist() for key, owner in one.owners.items()} == {
        key: owner.tolist() for key, owner in other.owners.items()
    }


def names(plan: Plan) -> list[str]:
    return [group.name for group in plan.groups]


def test_a_group_owns_its_filters_its_batchnorm_and_the_inputs_of_its_reader(tiny):
    (group, _) = tiny.plan.groups
    assert (group.name, group.width) == ("layer1.0.conv1", 4)
    assert group.filters == ("layer1.0.conv1.weight",)
    assert group.layers == ("layer1.0.conv1", "layer1.0.bn1", "layer1.0.conv2")
    assert owned(tiny.plan, 0) == {
        ("layer1.0.conv1.weight", 0),
        *(
            (f"layer1.0.bn1.{part}", 0)
            for part in ("weight", "bias", "running_mean", "running_var")
        ),
        ("layer1.0.conv2.weight", 1),
    }


def test_a_bias_belongs_to_its_group():
    plan = plan_of(
        Net(chain("a", "b"), a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(6, 4, 1), head=nn.Linear(4, 2))
    )
    assert names(plan) == ["a", "b"]
    assert owned(plan, 0) == {
        ("a.weight", 0),
        ("a.bias", 0),
        ("b.weight", 1),
    }
    assert owned(plan, 1) == {
        ("b.weight", 0),
        ("b.bias", 0),
        ("head.weight", 1),
    }


@pytest.mark.parametrize(("depth", "groups"), [(20, 9), (56, 27)])
def test_a_cifar_resnet_has_one_inner_group_a_block_and_its_residual_streams_stay(depth, groups):
    plan = trace(cifar_resnet(depth).eval(), torch.zeros(1, 3, 32, 32))
    assert len(plan.groups) == groups
    assert all(group.name.endswith("conv1") and "layer" in group.name for group in plan.groups)
    skipped = dict(plan.skipped)
    streams = {"conv1"} | {g.name.replace("conv1", "conv2") for g in plan.groups}
    assert set(skipped) == streams | {"linear"}
    assert skipped["linear"] == "they are the network's output"
    for name in streams:
        assert skipped[name].startswith("they are added to those of other layers")


def test_padded_shortcuts_are_cut_in_scope_coupled():
    plan = trace(cifar_resnet(8).eval(), torch.zeros(1, 3, 32, 32), scope="coupled")
    stream = {
        "conv1": 16,
        "layer2.0.conv2": 8,
        "layer2.0.conv2#2": 8,
        "layer3.0.conv2": 16,
        "layer3.0.conv2#2": 16,
    }
    inner = {"layer1.0.conv1": 16, "layer2.0.conv1": 32, "layer3.0.conv1": 64}
    assert {group.name: group.width for group in plan.groups} == stream | inner
    (before,) = (g for g in range(8) if plan.groups[g].name == "layer2.0.conv2")
    assert ("layer2.0.padding.before", 1) in owned(plan, before)
    assert dict(plan.skipped).keys() == {"linear"}


def test_a_padding_that_is_written_in_the_code_holds_what_it_is_added_to():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        images = net.a(images)
        padded = nn.functional.pad(images, (0, 0, 0, 0, 1, 1))
        return net.head((padded + net.b(images)).mean(dim=(2, 3)))

    plan = plan_of(
        Net(
            forward,
            a=nn.Conv2d(3, 4, 3),
            b=nn.Sequential(nn.Conv2d(4, 8, 1), nn.ReLU(), nn.Conv2d(8, 6, 1)),
            head=nn.Linear(6, 2),
        ),
        scope="coupled",
    )
    assert names(plan) == ["b.0"]
    skipped = dict(plan.skipped)
    assert skipped["a"] == "pad in the network pads them to a number written in the code"


def test_every_owned_dimension_has_one_owner(tiny):
    assert len(tiny.plan.owners) == 12
    for (tensor, dim), owner in tiny.plan.owners.items():
        assert tiny.pruner.state[tensor].shape[dim] == len(owner)
        assert sorted(owner.tolist()) in ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11])


def test_a_grouped_convolution_loses_whole_groups_and_ties_what_reaches_it():
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
    assert names(plan) == ["stem", "last"]
    stem, _ = plan.groups
    assert (stem.width, stem.unit) == (2, 2)  # two groups, each with two of the stem's channels
    assert stem.filters == ("stem.weight", "depthwise.weight", "grouped.weight")
    assert plan.owners["stem.weight", 0].tolist() == [0, 0, 1, 1]
    assert plan.owners["grouped.weight", 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert ("grouped.weight", 1) not in plan.owners


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (nn.GroupNorm(2, 6), "group_norm"),
        (nn.InstanceNorm2d(6, affine=True), "instance_norm"),
        (nn.ConvTranspose2d(6, 6, 1), "conv_transpose2d"),
        (nn.Softmax(dim=1), "softmax"),
        (nn.LayerNorm(6), "layer_norm"),
    ],
)
def test_an_operator_that_mixes_channels_is_named(layer, operator):
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
    assert dict(plan.skipped)["stem"] == f"{operator} in other mixes them"


def test_channels_that_are_flattened_own_a_column_for_every_pixel():
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
    assert names(plan) == ["a", "b"]
    columns = plan.owners["head.weight", 1]
    assert columns.tolist() == [4 + column // 4 for column in range(24)]


def test_channels_that_only_the_output_reads_are_skipped():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        return net.b(net.a(images).relu()).mean(dim=(2, 3))

    plan = plan_of(Net(forward, a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(4, 5, 1)))
    assert names(plan) == ["a"]
    assert dict(plan.skipped) == {"b": "they are the network's output"}


def test_the_branches_of_a_concatenation_are_cut_each_for_itself():
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
    assert names(plan) == ["left", "right", "join"]
    assert plan.owners["join.weight", 1].tolist() == list(range(8))


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
    assert names(plan) == ["stem", "widen"]
    assert plan.groups[0].filters == ("stem.weight", "narrow.weight")
    assert owned(plan, 1) == {
        ("widen.weight", 0),
        ("widen.bias", 0),
        ("narrow.weight", 1),
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


def test_a_pattern_that_matches_no_layer_is_refused():
    with pytest.raises(ValueError, match=r"'layer9\*' matches no layer; there are conv1, lay"):
        plan_of(resnet(), ignore=("layer1*", "layer9*"))


def test_a_network_without_any_group_is_refused_with_reasons():
    with pytest.raises(ValueError, match=r"ResNet has no group .* \(conv1: ignored"):
        plan_of(resnet(), ignore=("*",))


def test_a_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        trace(resnet().train(), IMAGE)


def test_a_network_that_does_not_run_is_named():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        raise RuntimeError(f"no way through {type(net).__name__} for {images.ndim} dimensions")

    with pytest.raises(
        ValueError, match=r"Net does not take images of shape \(.*\(no way through Net"
    ):
        plan_of(Net(forward, a=nn.Conv2d(3, 4, 3)))


def test_a_forward_that_decides_by_the_images_is_refused():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        features = net.a(images)
        return features.mean(dim=(2, 3)) if images.sum() > 0 else features.amax(dim=(2, 3))

    with pytest.raises(ValueError, match=r"cannot trace Net .* decisions that depend on the imag"):
        plan_of(Net(forward, a=nn.Conv2d(3, 4, 3)))


def test_a_shape_that_depends_on_the_images_is_refused_with_the_operator():
    def forward(net: nn.Module, images: Tensor) -> Tensor:
        features = net.a(images)
        return features.flatten()[features.flatten().nonzero().squeeze(1)[:4]]

    with pytest.raises(ValueError, match=r"^nonzero in the network makes a shape that depends"):
        plan_of(Net(forward, a=nn.Conv2d(3, 4, 3)))


def test_weights_that_are_not_finite_are_refused_by_name():
    network = resnet()
    network.get_submodule("layer1.0.conv1").weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinite numbers, first in layer1\.0\.conv1\.w"):
        plan_of(network)


def test_a_frozen_network_has_the_same_plan():
    frozen = resnet().requires_grad_(False)
    assert same(plan_of(frozen), plan_of(resnet()))
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
    assert same(plan_of(resnet()), plan_of(resnet()))
