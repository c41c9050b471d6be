"""Plan: which entries of which tensors every prunable group owns, traced once."""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..tensors.weights import require_finite, state_of
from .channels import FIXED, Classes, Ids
from .flow import Flow, Layer

Scope = Literal["inner", "coupled"]
Place = TypeVar("Place")
NOBODY = -1
"""The owner of an entry that belongs to no group."""


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """Channels that may leave one by one, each from all the tensors that hold it.

    A group is named after the first layer that makes its channels (a second group of the same layer
    has `#2` behind it, and so on). `unit` is how many of that layer's outputs leave at once: more
    than one where a grouped convolution loses whole groups. `filters` are the weights whose first
    dimension makes the channels, `layers` all layers that hold them, both in order of execution.
    """

    name: str
    width: int
    unit: int
    filters: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that cutting and counting need to know of a dense network.

    `owners` maps a tensor's dimension to the channel that owns each of its entries, counted
    through all groups in their order (NOBODY: the entry always stays), `returned` a module to those
    of the channels of the feature map that it returns. Dimensions that are cut alike share one
    array.
    """

    groups: tuple[PlannedGroup, ...]
    owners: dict[tuple[str, int], Ids]
    returned: dict[str, Ids]
    layers: tuple[Layer, ...]
    skipped: tuple[tuple[str, str], ...]  # layer, reason

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of every group where nothing is pruned."""
        return tuple(group.width for group in self.groups)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """The number of each group's first channel, and that of all channels."""
        return np.cumsum([0, *self.widths])

    def sizes(self, key: tuple[str, int], size: int) -> tuple[int, NDArray[np.int64]]:
        """Tell how a dimension's size follows from the widths: `fixed + per_width @ widths`."""
        owner = self.owners.get(key)
        if owner is None:
            return size, np.zeros(len(self.groups), dtype=np.int64)
        owned = owner[owner != NOBODY]
        group = np.searchsorted(self.offsets, owned, side="right") - 1
        entries = np.bincount(group, minlength=len(self.groups))
        return size - len(owned), entries // np.array(self.widths)

    def shapes(
        self, dense: Mapping[str, Sequence[int]], widths: Sequence[int]
    ) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all tensors at these widths, from those of the dense network."""
        shapes = {name: list(shape) for name, shape in dense.items()}
        for tensor, dim in self.owners:
            fixed, per_width = self.sizes((tensor, dim), dense[tensor][dim])
            shapes[tensor][dim] = int(fixed + per_width @ widths)
        return {name: tuple(shape) for name, shape in shapes.items()}


def trace(
    network: nn.Module, example: Tensor, *, ignore: Sequence[str] = (), scope: Scope = "inner"
) -> Plan:
    """Find the groups of a network.

    Args:
        network: the dense network, in evaluation mode.
        example: one image of the shape (1, channels, height, width).
        ignore: patterns (as in a shell) of layers whose channels stay; each must match one.
        scope: `inner` leaves channels alone that several layers add up (residual streams),
            `coupled` cuts them, in all these layers alike.
    """
    if network.training:
        raise ValueError("a network is traced in evaluation mode: call network.eval() first")
    require_finite(state_of(network))
    _require_fit(network, example)
    flow = _flow(network, example)
    layers = list(dict.fromkeys(layer.weight.removesuffix(".weight") for layer in flow.layers))
    _check_patterns(ignore, layers)
    classes = flow.channels.classes()
    reasons = list(classes.reason)
    for number in np.flatnonzero(classes.coupled):
        if scope == "inner" and reasons[number] is None:
            reasons[number] = "they are added to those of other layers, which scope inner spares"
    for name in layers:
        if any(fnmatchcase(name, pattern) for pattern in ignore):
            for number in np.unique(classes.of[flow.channels.of(f"{name}.weight", 0, 0)]):
                reasons[number] = "ignored by the configuration"
    groups, owners, returned = _groups(flow, classes, reasons)
    aliases = _aliases(network)
    owners |= {
        (alias, dim): owner
        for (tensor, dim), owner in owners.items()
        for alias in aliases.get(tensor, ())
    }
    skipped = []
    for name in layers:
        mine = classes.of[flow.channels.of(f"{name}.weight", 0, 0)]
        held = next((reasons[number] for number in mine if reasons[number]), None)
        if held:
            skipped.append((name, held))
    if not groups:
        found = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3]) or "no layers"
        raise ValueError(
            f"{type(network).__name__} has no group of channels that can be cut ({found})"
        )
    return Plan(groups, owners, returned, tuple(flow.layers), tuple(skipped))


def _require_fit(network: nn.Module, example: Tensor) -> None:
    try:
        with torch.inference_mode():
            network(example)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(
            f"{type(network).__name__} does not take images of shape {tuple(example.shape[1:])} "
            f"({str(error).splitlines()[0]}): name data or an input shape that fits it"
        ) from error


def _flow(network: nn.Module, example: Tensor) -> Flow:
    logging.getLogger("torch.fx").setLevel(logging.ERROR)
    quiet = contextlib.redirect_stderr(io.StringIO())  # a failed trace prints its whole graph
    try:
        with quiet, torch.no_grad():
            program = torch.export.export(network, (example,))
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise ValueError(
            f"cannot trace {type(network).__name__} for pruning: {type(error).__name__}: "
            f"{lines[0] if lines else 'no reason given'}; its forward must run by torch.export, "
            "without decisions that depend on the images"
        ) from error
    return Flow(program)


def _aliases(network: nn.Module) -> dict[str, list[str]]:
    """The other names of tensors that several modules share."""
    names: dict[int, list[str]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(name)
    return {
        name: [other for other in same if other != name]
        for same in names.values()
        for name in same
        if len(same) > 1
    }


def _check_patterns(patterns: Sequence[str], layers: list[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise ValueError(
                f"the pattern {pattern!r} matches no layer; there are {', '.join(layers[:4])}, ..."
            )


def _groups(
    flow: Flow, classes: Classes, reasons: Sequence[str | None]
) -> tuple[tuple[PlannedGroup, ...], dict[tuple[str, int], Ids], dict[str, Ids]]:
    """Classes that lie in the same dimensions, equally often, form a group; find who owns what."""
    dimensions = flow.channels.dimensions
    where: dict[int, list[tuple[tuple[str, int], int]]] = {}
    for key, ids in dimensions.items():
        for number, times in zip(*np.unique(classes.of[ids], return_counts=True), strict=True):
            where.setdefault(int(number), []).append((key, int(times)))
    members: dict[tuple[tuple[tuple[str, int], int], ...], list[int]] = {}
    for key in flow.made:
        for number in dict.fromkeys(classes.of[dimensions[key]].tolist()):
            together = members.setdefault(tuple(where[number]), [])
            if reasons[number] is None and number not in together:
                together.append(number)
    channel = np.full(len(reasons), NOBODY)
    groups: list[PlannedGroup] = []
    count = 0
    for places, numbers in members.items():
        if not numbers:
            continue
        channel[numbers] = np.arange(count, count + len(numbers))
        count += len(numbers)
        group = _planned(flow, dict(places), len(numbers))
        same = sum(group.filters[0] == other.filters[0] for other in groups)
        groups.append(replace(group, name=f"{group.name}#{same + 1}") if same else group)
    interned: dict[bytes, Ids] = {}

    def owned(places: Mapping[Place, Ids]) -> dict[Place, Ids]:
        found = {}
        for place, ids in places.items():
            owner = np.where(ids == FIXED, NOBODY, channel[classes.of[ids]])
            if (owner != NOBODY).any():
                found[place] = interned.setdefault(owner.tobytes(), owner)
        return found

    return tuple(groups), owned(dimensions), owned(flow.returned)


def _planned(flow: Flow, places: dict[tuple[str, int], int], width: int) -> PlannedGroup:
    filters = [key for key in flow.made if key in places]
    layers = dict.fromkeys(tensor.rpartition(".")[0] for tensor, _ in places)
    return PlannedGroup(
        name=filters[0][0].removesuffix(".weight"),
        width=width,
        unit=places[filters[0]],
        filters=tuple(tensor for tensor, _ in filters),
        layers=tuple(layers),
    )
