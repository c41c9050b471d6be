"""Gated network: every prunable channel is multiplied by a gate that learners open and close."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from ..pruning.channels import Ids
from ..pruning.plan import Plan
from ..tensors.weights import State, state_of
from ..training.attention import Size
from .learner import CriterionLearner, Sight

Acting = Literal["soft", "straight-through", "hard"]
"""What multiplies channels: the gates themselves; 0 or 1 with the gates' gradient; or 0 or 1."""


class GatedNetwork(nn.Module):
    """A network whose channels pass gates, and the learners of its groups.

    A gate multiplies the weights that *read* a channel. With ReLU in between that is the same
    function as a gate after BatchNorm and before ReLU, and a gate of 0 is exactly a removed channel
    whatever is in between: any network that can be cut can be gated, without BatchNorm as well.

    Hard gates are open beyond one half; of each group a `least` share always is, at least one.
    After a forward pass `soft` holds the gates, sigmoid(score / temperature), and `gates` what has
    acted, each of shape (channels,), through all groups in their order.
    """

    def __init__(
        self,
        network: nn.Module,
        plan: Plan,
        *,
        sight: Sight,
        hidden: int,
        through: bool,
        least: float,
        seed: int,
    ) -> None:
        """Wrap a network, which the gated one shares its tensors with."""
        super().__init__()
        self.network = network
        state = state_of(network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.learners = nn.ModuleList(
                CriterionLearner(plan, group, state, sight=sight, hidden=hidden)
                for group in range(len(plan.groups))
            )
        self.temperature = 1.0
        self.acting: Acting = "soft"
        self._widths, self._returned = plan.widths, plan.returned
        self._through = through
        self._stay = [max(1, math.ceil(least * width)) for width in plan.widths]
        readers = _readers(network, plan)
        self._readers = list(readers)
        for number, owner in enumerate(readers.values()):
            self.register_buffer(f"owner{number}", torch.from_numpy(owner), persistent=False)
        self.soft = self.gates = torch.ones(sum(plan.widths))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of images of shape (images, channels, h, w)."""
        parameters = dict(self.network.named_parameters(remove_duplicate=False))
        self.soft = torch.sigmoid(self._scores(parameters) / self.temperature)
        self.gates = self.soft
        if self.acting != "soft":
            self.gates = self._decided(self.soft.detach())
        if self.acting == "straight-through":
            self.gates = self.gates + self.soft - self.soft.detach()
        gated = self._gated(parameters, self.gates)
        logits: Tensor = functional_call(self.network, gated, (images,), tie_weights=False)
        return logits

    def acted_on(self, modules: Mapping[Size, str]) -> dict[Size, Tensor]:
        """Return the gates of the channels that modules return, shape (channels,), where any are.

        Channels are closed where they are read: a feature map that is looked at still holds them.
        """
        factors = torch.cat([self.gates, self.gates.new_ones(1)])
        return {
            size: factors[torch.from_numpy(self._returned[name]).to(factors.device)]
            for size, name in modules.items()
            if name in self._returned
        }

    @property
    def scores(self) -> list[NDArray[np.float64]]:
        """The learned importance of each group's channels, as it is by now."""
        parameters = dict(self.network.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            scores = self._scores(parameters).double().cpu().numpy()
        return np.split(scores, np.cumsum(self._widths)[:-1])

    def folded(self) -> State:
        """Return the network's tensors, soft gates multiplied into what reads their channels.

        Where gates have acted as 0 and 1, those of the channels that stay are 1 already.
        """
        with torch.no_grad():
            state = state_of(self.network)
            gates = torch.sigmoid(self._scores(state) / self.temperature)
            if self.acting != "soft":
                gates = torch.ones_like(gates)
            return {name: tensor.clone() for name, tensor in self._gated(state, gates).items()}

    def _decided(self, soft: Tensor) -> Tensor:
        """Open every gate beyond one half, and of each group those of the least share."""
        opened = soft > 0.5
        parts = (torch.split(every, list(self._widths)) for every in (opened, soft))
        for one, part, stay in zip(*parts, self._stay, strict=True):
            one[part.topk(stay).indices] = True
        return opened.to(soft.dtype)

    def _scores(self, state: Mapping[str, Tensor]) -> Tensor:
        device = next(self.learners.parameters()).device.type
        with torch.autocast(device, enabled=False):  # gates must not jump from step to step
            return torch.cat([learner(state, self._through) for learner in self.learners])

    def _gated(self, state: Mapping[str, Tensor], gates: Tensor) -> State:
        """Multiply what reads channels; entries of nobody, numbered -1, are read as they are."""
        factors = torch.cat([gates, gates.new_ones(1)])
        gated = dict(state)
        for number, (name, dim) in enumerate(self._readers):
            shape = [1] * gated[name].ndim
            shape[dim] = -1
            owner: Tensor = self.get_buffer(f"owner{number}")
            gated[name] = gated[name] * factors[owner].view(shape)
        return gated


def _readers(network: nn.Module, plan: Plan) -> dict[tuple[str, int], Ids]:
    """The dimensions of layers' weights that read channels, under all their names, and the owners.

    What else holds channels there (zeros that pad a shortcut, a scale) hands them on to these.
    """
    parameters = dict(network.named_parameters(remove_duplicate=False))
    weights = {id(parameters.get(layer.weight)) for layer in plan.layers}
    return {
        (name, dim): owner
        for (name, dim), owner in plan.owners.items()
        if dim > 0 and name in parameters and id(parameters[name]) in weights
    }
