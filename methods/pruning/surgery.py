"""Surgery: a physically smaller network by index-selects over the plan."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..tensors.weights import State, state_of
from .criteria import Kept, Rankings, keep, rankings
from .plan import Plan


def slice_state(state: State, plan: Plan, kept: Kept) -> State:
    """Select the kept channels in every tensor that a group owns; the others are shared."""
    stays = _stays(plan, kept)
    selections: dict[int, Tensor | None] = {}
    sliced = dict(state)
    for (tensor, dim), owner in plan.owners.items():
        if id(owner) not in selections:  # many dimensions share an owner
            entries = stays[owner]
            indices = np.flatnonzero(entries).astype(np.int32)  # half the width: read faster
            selections[id(owner)] = None if entries.all() else torch.from_numpy(indices)
        index = selections[id(owner)]
        if index is not None:
            sliced[tensor] = sliced[tensor].index_select(dim, index)
    return sliced


def mask_state(state: State, plan: Plan, kept: Kept) -> State:
    """Zero what the pruned channels hold and what reads them: the sliced network at full size."""
    stays = _stays(plan, kept)
    masked = dict(state)
    for (tensor, dim), owner in plan.owners.items():
        if tensor.endswith(("running_mean", "running_var")):
            continue
        shape = [1] * masked[tensor].ndim
        shape[dim] = len(owner)
        mask = torch.from_numpy(stays[owner]).view(shape)
        masked[tensor] = masked[tensor] * mask
    return masked


def _stays(plan: Plan, kept: Kept) -> NDArray[np.bool_]:
    """Whether each channel stays; the last entry is that of NOBODY, which always does."""
    if len(kept) != len(plan.groups):
        raise ValueError(f"expected kept channels for {len(plan.groups)} groups, got {len(kept)}")
    stays = np.zeros(plan.offsets[-1] + 1, dtype=bool)
    stays[-1] = True
    for group, first, indices in zip(plan.groups, plan.offsets, kept, strict=False):
        if len(indices) == 0:
            raise ValueError(f"group {group.name} must keep at least one of its channels")
        if np.any(np.diff(indices) <= 0) or indices[0] < 0 or indices[-1] >= group.width:
            raise ValueError(
                f"the kept channels of group {group.name} must ascend from 0 to at most "
                f"{group.width - 1}, got {np.asarray(indices).tolist()}"
            )
        stays[first + np.asarray(indices)] = True
    return stays


CONTAINERS = frozenset({dict, OrderedDict, list, set})
"""What a module keeps its hooks, its children and the like in: a copy has its own."""


def fit(network: nn.Module, state: State, *, shared: bool = False) -> nn.Module:
    """Return a network of the same structure that holds `state`, of whatever widths.

    It shares no tensor with the given network, unless `shared` allows it for parameters that are
    the same in both: cheaper, and right for a network that is evaluated and never trained.
    """
    return _twin(network, "", state, shared, {})


def _twin(
    module: nn.Module, path: str, state: State, shared: bool, made: dict[nn.Module, nn.Module]
) -> nn.Module:
    """Copy a module's structure, and of its tensors those that must be its own."""
    if module in made:
        return made[module]
    twin: nn.Module = object.__new__(type(module))
    made[module] = twin
    twin.__dict__.update(
        {
            key: value.copy() if type(value) in CONTAINERS else value
            for key, value in module.__dict__.items()
        }
    )
    for name, parameter in module._parameters.items():
        if parameter is not None:
            new = state.get(path + name, parameter).detach()
            if not shared and new.data_ptr() == parameter.data_ptr():
                new = new.clone()
            twin._parameters[name] = nn.Parameter(new, requires_grad=parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            new = state.get(path + name, buffer).detach()
            twin._buffers[name] = new.clone() if new.data_ptr() == buffer.data_ptr() else new
    for name, child in module._modules.items():
        if child is not None:
            twin._modules[name] = _twin(child, f"{path}{name}.", state, shared, made)
    _resize(twin)
    return twin


def _resize(module: nn.Module) -> None:
    """Make a layer's own account of its widths agree with its weights."""
    weight, own = module._parameters.get("weight"), module.__dict__
    if weight is None:
        return
    if isinstance(module, nn.Conv2d):
        if module.groups > 1:  # a grouped convolution loses whole groups
            own["groups"] = weight.shape[0] * module.groups // module.out_channels
        own["out_channels"], own["in_channels"] = weight.shape[0], weight.shape[1] * own["groups"]
    elif isinstance(module, nn.Linear):
        own["out_features"], own["in_features"] = weight.shape
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        own["num_features"] = weight.shape[0]


class Pruner:
    """Turns genomes into smaller networks: criteria are applied once, the cuts are cheap.

    A genome holds the width of every group and then, where there are several rankings to choose
    from, for every group the number of the one that says which channels stay.
    """

    def __init__(self, network: nn.Module, plan: Plan, rankings: Rankings) -> None:
        self.network = network.eval()
        self.plan = plan
        self.state = state_of(network)
        self._rankings = rankings

    @classmethod
    def by(cls, criterion: str, network: nn.Module, plan: Plan) -> Self:
        """Rank by one criterion that needs no images."""
        return cls(network, plan, rankings(network, plan, [criterion]))

    def is_dense(self, genome: Sequence[int]) -> bool:
        """Whether nothing is pruned."""
        return self._widths(genome) == self.plan.widths

    def kept(self, genome: Sequence[int]) -> Kept:
        """Return the channels that stay."""
        widths = self._widths(genome)
        chosen = genome[len(widths) :] or [0] * len(widths)
        ranking = [self._rankings[number][group] for group, number in enumerate(chosen)]
        return keep(tuple(ranking), widths)

    def sliced_state(self, genome: Sequence[int]) -> State:
        """Return the tensors of the cut network, with the dense BatchNorm statistics."""
        return slice_state(self.state, self.plan, self.kept(genome))

    def cut(self, genome: Sequence[int], *, shared: bool = False) -> nn.Module:
        """Return the cut network; see `fit` for `shared`."""
        return fit(self.network, self.sliced_state(genome), shared=shared)

    def masked(self, genome: Sequence[int]) -> nn.Module:
        """Return the dense network with zeros in place of what `cut` removes."""
        return fit(self.network, mask_state(self.state, self.plan, self.kept(genome)))

    def _widths(self, genome: Sequence[int]) -> tuple[int, ...]:
        return tuple(genome[: len(self.plan.groups)])
