"""Plan: which tensor dimensions every prunable group owns, traced once.

torch-pruning's DepGraph (Fang et al., CVPR 2023) finds what depends on a layer's channels; this
file keeps the groups that can be cut exactly and says why it leaves the others alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
import torch_pruning
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Slice:
    """One dimension of one tensor, by the tensor's name in the state dict."""

    tensor: str
    dim: int


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """Channels that leave the network together.

    `name` is the layer that makes them; `slices` says where they appear, its weight first.
    """

    name: str
    width: int
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or linear layer: its weight, and how often it is applied to one image."""

    weight: str
    shape: tuple[int, ...]
    positions: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that cutting and counting need to know of a dense network."""

    groups: tuple[PlannedGroup, ...]
    layers: tuple[Layer, ...]
    skipped: tuple[tuple[str, str], ...]  # layer, reason

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of every group where nothing is pruned."""
        return tuple(group.width for group in self.groups)

    def owners(self) -> dict[tuple[str, int], int]:
        """Map (tensor, dimension) to the index of the group that owns it."""
        return {
            (part.tensor, part.dim): index
            for index, group in enumerate(self.groups)
            for part in group.slices
        }


def trace(network: nn.Module, example: Tensor, *, ignore: tuple[str, ...] = ()) -> Plan:
    """Find the inner groups: channels made by one convolution and read by plain layers only.

    Args:
        network: the dense network, in evaluation mode.
        example: one image of the shape (1, channels, height, width).
        ignore: patterns (as in a shell) of layer names to leave alone; each must match one.
    """
    if network.training:
        raise ValueError("a network is traced in evaluation mode: call network.eval() first")
    names = {module: name for name, module in network.named_modules()}
    convolutions = [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    for pattern in ignore:
        if not any(fnmatchcase(name, pattern) for name in convolutions):
            raise ValueError(
                f"the pattern {pattern!r} matches no convolution; "
                f"there are {', '.join(convolutions[:4])}, ..."
            )
    try:
        with _gradients_enabled(network):  # DepGraph follows them from output to input
            graph = torch_pruning.DependencyGraph().build_dependency(
                network, example_inputs=example, verbose=False
            )
    except Exception as error:
        raise ValueError(
            f"cannot trace {type(network).__name__} for pruning: {type(error).__name__}: {error}"
        ) from error
    groups, skipped = [], []
    for name in convolutions:
        if any(fnmatchcase(name, pattern) for pattern in ignore):
            skipped.append((name, "ignored by the configuration"))
            continue
        found = _group(graph, network, name, names)
        if isinstance(found, PlannedGroup):
            groups.append(found)
        else:
            skipped.append((name, found))
    if not groups:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        raise ValueError(
            f"{type(network).__name__} has no group of channels that can be cut ({reasons})"
        )
    return Plan(tuple(groups), _layers(network, example), tuple(skipped))


def _group(
    graph: torch_pruning.DependencyGraph,
    network: nn.Module,
    name: str,
    names: dict[nn.Module, str],
) -> PlannedGroup | str:
    """Return the group of a convolution's output channels, or why it cannot be cut."""
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Conv2d)
    width = layer.out_channels
    if layer.groups > 1:
        return "a grouped convolution"
    members = graph.get_pruning_group(
        layer, torch_pruning.prune_conv_out_channels, idxs=list(range(width))
    )
    slices: list[Slice] = []
    for dependency, indices in members:
        module = dependency.target.module
        if module not in names:  # an operation without weights of its own
            continue
        if list(indices) != list(range(width)):
            return f"its channels are rearranged on the way to {names[module]}"
        reads = not graph.is_out_channel_pruning_fn(dependency.handler)
        found = _slices(module, names[module], reads=reads, makes=module is layer)
        if isinstance(found, str):
            return found
        slices += found
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    for part in slices:
        if shapes[part.tensor][part.dim] != width:
            return f"{part.tensor} reads more than them: they are concatenated with others"
    if not any(part.dim == 1 for part in slices):
        return "nothing reads them but the output"
    return PlannedGroup(name, width, tuple(dict.fromkeys(slices)))


def _slices(module: nn.Module, name: str, *, reads: bool, makes: bool) -> list[Slice] | str:
    """Return what a layer that the channels reach holds of them, or why it bars the cut."""
    if isinstance(module, nn.BatchNorm2d):
        parts = ("weight", "bias", "running_mean", "running_var")
        return [Slice(f"{name}.{part}", 0) for part in parts if getattr(module, part) is not None]
    if isinstance(module, nn.Conv2d) and module.groups > 1:
        return f"they reach the grouped convolution {name}"
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return f"they reach {name}, a {type(module).__name__}"
    if reads:
        return [Slice(f"{name}.weight", 1)]
    if not makes:
        return f"they are added to those of {name}"
    own = [Slice(f"{name}.weight", 0)]
    return own if module.bias is None else [*own, Slice(f"{name}.bias", 0)]


@contextmanager
def _gradients_enabled(network: nn.Module) -> Iterator[None]:
    frozen = [p for p in network.parameters() if not p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def _layers(network: nn.Module, example: Tensor) -> tuple[Layer, ...]:
    """Run the example once and note every convolution and linear layer that it passes."""
    layers: list[Layer] = []
    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):

            def note(module: nn.Module, _: object, output: Tensor, name: str = name) -> None:
                weight = module.get_parameter("weight")
                channels = weight.shape[0]
                layers.append(
                    Layer(f"{name}.weight", tuple(weight.shape), output[0].numel() // channels)
                )

            handles.append(module.register_forward_hook(note))
    try:
        with torch.inference_mode():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(layers)
