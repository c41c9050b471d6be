"""Flow: which channels reach which dimension of which tensor, found on an exported graph.

torch.export writes a network down as operators with exact shapes; every activation is then
labelled with the channels that it holds (see `labels`). An operator without a rule here holds the
channels that reach it in place, under its own name, and never lets a wrong cut pass.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from .channels import FIXED, Channels, Ids
from .labels import along, changes, channels_along, compact, every, fixed

# fmt: off
ELEMENTWISE = frozenset(
    {
        "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "silu", "gelu",
        "elu", "celu", "selu", "leaky_relu", "mish", "softplus", "tanh", "dropout",
        "feature_dropout", "alpha_dropout", "clone", "contiguous", "alias", "detach", "to",
        "_to_copy", "clamp", "clamp_min", "clamp_max", "neg", "abs", "exp", "sqrt", "pow",
        "lift_fresh_copy",
    }
)
BINARY = frozenset(
    {
        "add", "sub", "rsub", "mul", "div", "maximum", "minimum", "prelu",
    }
)
SUMS = frozenset(
    {
        "add", "sub", "rsub",
    }
)
POOLS = frozenset(
    {
        "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d",
        "upsample_nearest2d", "upsample_bilinear2d",
    }
)
MOVES = frozenset(
    {
        "view", "_unsafe_view", "reshape", "flatten", "unflatten", "permute", "transpose", "t",
        "unsqueeze", "squeeze", "expand", "movedim",
    }
)
PARTS = frozenset(
    {
        "slice", "select", "narrow", "chunk", "split", "split_with_sizes", "unbind",
    }
)
REDUCTIONS = frozenset(
    {
        "mean", "sum", "amax", "amin",
    }
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or linear layer: its weight, and how often it is applied to one image."""

    weight: str
    shape: tuple[int, ...]
    positions: int


Labels = Tensor | list[Tensor]


class Flow:
    """Follows channels through an exported program, node by node."""

    def __init__(self, program: ExportedProgram) -> None:
        signature = program.graph_signature
        state = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.channels = Channels()
        self.layers: list[Layer] = []
        self._shapes = {name: tuple(tensor.shape) for name, tensor in program.state_dict.items()}
        self._tensors = {
            node: state[node.name]
            for node in program.graph.nodes
            if node.op == "placeholder" and state.get(node.name) in self._shapes
        }
        self._labels: dict[Node, Labels] = {}
        for node in program.graph.nodes:
            _require_known_shape(node)
            self._labels[node] = self._follow(node)

    @property
    def returned(self) -> dict[str, Ids]:
        """The channels of the feature maps that modules return, by the modules' names."""
        found: dict[str, Ids] = {}
        for node, labels in self._labels.items():
            if not (isinstance(labels, Tensor) and labels.ndim == 4):
                continue
            if (ids := channels_along(labels, 1)) is not None:  # what a module does last counts
                stack = node.meta.get("nn_module_stack") or {}
                found |= {name: ids for name, _ in stack.values() if name}
        return found

    @property
    def made(self) -> list[tuple[str, int]]:
        """The dimensions that make channels: those of layers' outputs, in order of execution."""
        return list(dict.fromkeys((layer.weight, 0) for layer in self.layers))

    def _follow(self, node: Node) -> Labels:
        if node.op == "placeholder":
            return _fixed_like(node)
        if node.op == "output":
            self._hold(node, "they are the network's output")
            return []
        name = _operator_name(node)
        if name == "getitem":
            whole, part = self._of(node.args[0]), _argument(node, 1, "index", 0)
            return whole[part] if isinstance(whole, list) else _fixed_like(node)
        if name in ("conv1d", "conv2d", "conv3d"):
            return self._convolution(node)
        if name == "linear":
            return self._linear(node)
        if name == "batch_norm":
            return self._batch_norm(node)
        if name in BINARY and len(node.all_input_nodes) == 2:
            return self._binary(node, sums=name in SUMS)
        if name in (ELEMENTWISE | BINARY) and len(node.all_input_nodes) == 1:
            same: Labels = self._of(node.all_input_nodes[0])
            return same
        if name in POOLS:
            return self._pool(node)
        if name in MOVES:
            return self._move(node)
        if name in PARTS:
            return self._part(node)
        if name in REDUCTIONS:
            return self._reduction(node)
        if name == "cat":
            return self._concatenation(node)
        if name in ("pad", "constant_pad_nd"):
            return self._padding(node)
        return self._mixed(node)

    def _mixed(self, node: Node) -> Labels:
        return self._held(node, f"{_where(node)} mixes them")

    def _held(self, node: Node, reason: str) -> Labels:
        """Hold what reaches a node; what comes out is no channel of ours."""
        self._hold(node, reason)
        return _fixed_like(node)

    def _of(self, node: Any) -> Any:
        return self._tensor_labels(node) if node in self._tensors else self._labels[node]

    def _tensor_labels(self, node: Node) -> Tensor:
        """A parameter or buffer that is used as a value, such as a scale, has channels, too."""
        shape = self._shapes[self._tensors[node]]
        long = [dim for dim, size in enumerate(shape) if size > 1]
        if len(long) != 1:
            return fixed(shape)
        (dim,) = long
        return along(self.channels.of(self._tensors[node], dim, shape[dim]), dim, shape)

    def _hold(self, node: Node, reason: str) -> None:
        for source in node.all_input_nodes:
            labels = self._of(source)
            for part in labels if isinstance(labels, list) else [labels]:
                self.channels.pin(every(part), reason)

    def _convolution(self, node: Node) -> Labels:
        groups = _argument(node, 6, "groups", 1)
        weight, bias = self._weights(node)
        if weight is None:
            return self._held(node, f"{_where(node)} has weights that are computed")
        shape, out = self._shapes[weight], _shape(node)
        self._note(weight, out, out[1])
        made = self.channels.of(weight, 0, shape[0])
        read = self._read(node, 1)
        if groups == 1:
            self._tie(read, self.channels.of(weight, 1, shape[1]), node)
        else:  # a group of the convolution leaves as a whole: its inputs, its outputs
            first = made.reshape(groups, -1)[:, :1]
            self._tie(read.reshape(groups, -1), first, node)
            self._tie(made.reshape(groups, -1), first, node)
        self._tie_bias(bias, made, node)
        return along(made, 1, out)

    def _linear(self, node: Node) -> Labels:
        weight, bias = self._weights(node)
        if weight is None:
            return self._held(node, f"{_where(node)} has weights that are computed")
        shape, out = self._shapes[weight], _shape(node)
        self._note(weight, out, out[-1])
        made = self.channels.of(weight, 0, shape[0])
        self._tie(self._read(node, -1), self.channels.of(weight, 1, shape[1]), node)
        self._tie_bias(bias, made, node)
        return along(made, len(out) - 1, out)

    def _batch_norm(self, node: Node) -> Labels:
        read = self._read(node, 1)
        for tensor in node.args[1:5]:
            if not isinstance(tensor, Node):
                continue
            if tensor in self._tensors:
                self._tie(read, self.channels.of(self._tensors[tensor], 0, len(read)), node)
            else:
                self.channels.pin(read, f"{_where(node)} has weights that are computed")
        return along(read, 1, _shape(node))

    def _binary(self, node: Node, *, sums: bool) -> Labels:
        out = _shape(node)
        one, other = (
            labels[(None,) * (len(out) - labels.ndim)]
            for labels in map(self._of, node.all_input_nodes)
        )
        for small, large in ((one, other), (other, one)):
            if any(
                size == 1 and large.shape[dim] > 1 and changes(large, dim)
                for dim, size in enumerate(small.shape)
            ):  # one value for all channels
                self.channels.pin(every(small), f"{_where(node)} spreads them over others")
                spread: Tensor = large.expand(out)
                return spread
        one, other = compact(one), compact(other)
        around = [max(sizes) for sizes in zip(one.shape, other.shape, strict=True)]
        one, other = one.expand(around), other.expand(around)
        layers = not any(source in self._tensors for source in node.all_input_nodes)
        self._tie(one.flatten().numpy(), other.flatten().numpy(), node, sums=sums and layers)
        joined: Tensor = torch.where(one == FIXED, other, one).expand(out)
        return joined

    def _pool(self, node: Node) -> Labels:
        if not isinstance(node.meta["val"], Tensor):
            return self._mixed(node)
        out = _shape(node)
        return along(self._read(node, len(out) - 3), len(out) - 3, out)

    def _move(self, node: Node) -> Labels:
        labels = self._of(node.args[0])
        name = _operator_name(node)
        if name in ("view", "_unsafe_view"):
            moved: Tensor = labels.reshape(_shape(node))
        else:
            moved = _run(node, labels)
        core = compact(moved)
        if sum(size > 1 for size in core.shape) > 1:  # the cut network would split them elsewhere
            return self._held(node, f"{_where(node)} splits them by position")
        return core.expand(moved.shape)

    def _part(self, node: Node) -> Labels:
        """Positions are written in the code: channels that are told apart by them must stay."""
        labels = self._of(node.args[0])
        taken = _run(node, labels)
        parts: list[Tensor] = list(taken) if isinstance(taken, list | tuple) else [taken]
        if any(len(every(part)) < len(every(labels)) for part in parts):
            self.channels.pin(every(labels), f"{_where(node)} takes them by position")
        return parts if isinstance(taken, list | tuple) else parts[0]

    def _reduction(self, node: Node) -> Labels:
        labels = self._of(node.args[0])
        given = _argument(node, 1, "dim", None)
        dims = [given] if isinstance(given, int) else list(given or range(labels.ndim))
        if any(changes(labels, dim) for dim in dims):
            return self._mixed(node)
        keep = _argument(node, 2, "keepdim", False)
        reduced = labels.amax(dims, keepdim=bool(keep))
        return compact(reduced).expand(reduced.shape)

    def _concatenation(self, node: Node) -> Labels:
        whole = [self._of(source) for source in _argument(node, 0, "tensors", [])]
        out = _shape(node)
        dim = _argument(node, 1, "dim", 0) % len(out)
        cores = []
        for labels in whole:
            core = compact(labels)
            sizes = list(core.shape)
            sizes[dim] = labels.shape[dim]
            cores.append(core.expand(sizes))
        around = [max(sizes) for sizes in zip(*(core.shape for core in cores), strict=True)]
        cores = [core.expand(*around[:dim], core.shape[dim], *around[dim + 1 :]) for core in cores]
        return torch.cat(cores, dim).expand(out)

    def _padding(self, node: Node) -> Labels:
        labels, out = self._of(node.args[0]), _shape(node)
        pads: Any = node.args[1]
        core = compact(labels)
        for step in range(len(pads) // 2):
            dim = labels.ndim - 1 - step
            if core.shape[dim] > 1 and (pads[2 * step] or pads[2 * step + 1]):
                return self._held(node, f"{_where(node)} pads them to a number written in the code")
        return core.expand(out)

    def _read(self, node: Node, dim: int) -> Ids:
        """The channels along one dimension of a node's first input."""
        labels = self._of(node.args[0])
        ids = channels_along(labels, dim)
        if ids is None:
            self._hold(node, f"{_where(node)} takes them in another order")
            return np.full(labels.shape[dim], FIXED)
        return ids

    def _tie(self, one: Ids, other: Ids, node: Node, *, sums: bool = False) -> None:
        one, other = np.broadcast_arrays(one, other)
        reason = f"{_where(node)} ties them to others that must stay"
        self.channels.tie(one.ravel(), other.ravel(), reason, sums=sums)

    def _tie_bias(self, bias: str | None, made: Ids, node: Node) -> None:
        if bias is not None:
            self._tie(made, self.channels.of(bias, 0, len(made)), node)

    def _weights(self, node: Node) -> tuple[str | None, str | None]:
        """The names of a layer's weight and bias; no name where they are computed."""
        weight, bias = node.args[1], _argument(node, 2, "bias", None)
        names = self._tensors.get(weight), self._tensors.get(bias)
        return (None, None) if bias is not None and names[1] is None else names

    def _note(self, weight: str, out: Sequence[int], channels: int) -> None:
        positions = torch.Size(out).numel() // out[0] // channels
        self.layers.append(Layer(weight, self._shapes[weight], positions))


def _operator_name(node: Node) -> str:
    if node.target is operator.getitem:
        return "getitem"
    schema = getattr(node.target, "_schema", None)
    name = str(schema.name if schema else node.target).split("::")[-1]
    return name.removesuffix("_") if not name.startswith("__") else name


def _argument(node: Node, position: int, name: str, default: Any) -> Any:
    if len(node.args) > position:
        return node.args[position]
    return node.kwargs.get(name, default)


def _where(node: Node) -> str:
    """The operator and the module that calls it."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next((path for path, _ in reversed(stack.values()) if path), "the network")
    return f"{_operator_name(node)} in {path.removeprefix('L__self__.')}"


def _run(node: Node, labels: Tensor) -> Any:
    """Do to the labels what the node does to its first input."""
    operation: Any = node.target
    return operation(labels, *node.args[1:], **node.kwargs)


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


def _require_known_shape(node: Node) -> None:
    value = node.meta.get("val")
    for part in value if isinstance(value, list | tuple) else [value]:
        if isinstance(part, Tensor) and not all(type(size) is int for size in part.shape):
            raise ValueError(
                f"{_where(node)} makes a shape that depends on the images: channels cannot be "
                "followed through it; rewrite it with shapes that follow from the input's"
            )


def _fixed_like(node: Node) -> Labels:
    value = node.meta.get("val")
    if isinstance(value, list | tuple):
        return [fixed(part.shape) for part in value if isinstance(part, Tensor)]
    return fixed(value.shape if isinstance(value, Tensor) else ())
