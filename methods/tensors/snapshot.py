"""Snapshot: what training goes on from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import save_file
from torch import nn

from .weights import State, read_weights


@dataclass(frozen=True)
class Snapshot:
    """The finished epochs, the network's tensors, and what its optimisers keep of each parameter.

    `moments` maps `BUFFER.PARAMETER` to a tensor: momentum, Adam's averages and its steps.
    """

    epoch: int
    weights: State
    moments: State

    TENSORS, FACTS = "snapshot.safetensors", "snapshot.json"

    @classmethod
    def of(
        cls, epoch: int, network: nn.Module, optimisers: Sequence[torch.optim.Optimizer]
    ) -> Self:
        """Take what there is now; the tensors are the network's own, and change with it."""
        moments = {
            f"{buffer}.{name}": tensor
            for name, parameter in network.named_parameters()
            for optimiser in optimisers
            for buffer, tensor in optimiser.state.get(parameter, {}).items()
            if isinstance(tensor, torch.Tensor)
        }
        return cls(epoch, network.state_dict(), moments)

    def restore(self, network: nn.Module, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """Put the tensors where they were."""
        network.load_state_dict(self.weights)
        parameters = dict(network.named_parameters())
        owners = {
            id(parameter): optimiser
            for optimiser in optimisers
            for group in optimiser.param_groups
            for parameter in group["params"]
        }
        for key, tensor in self.moments.items():
            buffer, _, name = key.partition(".")
            parameter = parameters[name]
            place = torch.device("cpu") if buffer == "step" else parameter.device
            owners[id(parameter)].state[parameter][buffer] = tensor.to(place)

    def save(self, directory: Path) -> None:
        """Write the two files into a folder."""
        tensors = {f"weights.{name}": tensor for name, tensor in self.weights.items()}
        tensors |= {f"moments.{name}": tensor for name, tensor in self.moments.items()}
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            directory / self.TENSORS,
        )
        (directory / self.FACTS).write_text(json.dumps({"epoch": self.epoch}))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` has written."""
        tensors = read_weights(directory / cls.TENSORS)
        parts: dict[str, State] = {"weights": {}, "moments": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        epoch = json.loads((directory / cls.FACTS).read_text())["epoch"]
        return cls(epoch, parts["weights"], parts["moments"])
