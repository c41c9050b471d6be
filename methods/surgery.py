"""Surgery: a physically smaller network by index-selects over the plan."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .criteria import Kept, keep, rankings
from .plan import Plan
from .weights import State, state_of


def slice_state(state: State, plan: Plan, kept: Kept) -> State:
    """Select the kept channels in every tensor that a group owns; the others are shared."""
    sliced = dict(state)
    for group, indices in zip(plan.groups, kept, strict=True):
        if len(indices) == group.width:
            continue
        index = torch.from_numpy(indices)
        for part in group.slices:
            sliced[part.tensor] = sliced[part.tensor].index_select(part.dim, index)
    return sliced


def mask_state(state: State, plan: Plan, kept: Kept) -> State:
    """Zero what the pruned channels hold and what reads them: the sliced network at full size."""
    masked = dict(state)
    for group, indices in zip(plan.groups, kept, strict=True):
        mask = torch.zeros(group.width)
        mask[torch.from_numpy(indices)] = 1.0
        for part in group.slices:
            if part.tensor.endswith(("running_mean", "running_var")):
                continue
            tensor = masked[part.tensor]
            shape = [1] * tensor.ndim
            shape[part.dim] = group.width
            masked[part.tensor] = tensor * mask.view(shape)
    return masked


def fit(network: nn.Module, state: State) -> nn.Module:
    """Return a network of the same structure that holds `state`, of whatever widths.

    The given network stays untouched and shares no tensor with the new one.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    fitted: nn.Module = copy.deepcopy(network, shared)
    for name, module in fitted.named_modules():
        prefix = f"{name}." if name else ""
        for kind, own in (("parameter", module._parameters), ("buffer", module._buffers)):
            for key, tensor in own.items():
                if tensor is None:
                    continue
                new = state.get(prefix + key, tensor).detach()
                if kind == "buffer" or new.data_ptr() == tensor.data_ptr():
                    new = new.clone()  # training the new network must not change the given one
                own[key] = nn.Parameter(new) if kind == "parameter" else new
        _resize(module)
    return fitted


def _resize(module: nn.Module) -> None:
    """Make a layer's own account of its widths agree with its weights."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return
    if isinstance(module, nn.Conv2d):
        module.out_channels, module.in_channels = weight.shape[0], weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, nn.BatchNorm2d):
        module.num_features = weight.shape[0]


class Pruner:
    """Turns widths into smaller networks: the criterion is applied once, the cuts are cheap."""

    def __init__(self, network: nn.Module, plan: Plan, *, criterion: str) -> None:
        self.network = network.eval()
        self.plan = plan
        self.state = state_of(network)
        self._rankings = rankings(plan, self.state, criterion)

    def kept(self, widths: Sequence[int]) -> Kept:
        """Return the channels that stay at these widths."""
        return keep(self._rankings, widths)

    def sliced_state(self, widths: Sequence[int]) -> State:
        """Return the tensors of the cut network, with the dense BatchNorm statistics."""
        return slice_state(self.state, self.plan, self.kept(widths))

    def cut(self, widths: Sequence[int]) -> nn.Module:
        """Return the cut network."""
        return fit(self.network, self.sliced_state(widths))

    def masked(self, widths: Sequence[int]) -> nn.Module:
        """Return the dense network with zeros in place of what `cut` removes."""
        return fit(self.network, mask_state(self.state, self.plan, self.kept(widths)))
