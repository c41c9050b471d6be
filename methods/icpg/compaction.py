"""Compaction: hidden units that nobody reads any more are removed, and the network is smaller.

A unit is dead once every weight that reads it is 0; the weights that make it then do nothing, which
may leave further units dead. What is left computes the same, exactly. A unit whose own weights are
all 0 is not dead: its bias still speaks.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..tensors.weights import State


@dataclass(frozen=True, slots=True)
class Units:
    """Hidden units: what holds a row for each, and the matrices that hold a column for each."""

    written: tuple[str, ...]
    read: tuple[str, ...]


@runtime_checkable
class Layered(Protocol):
    """A network that tells which of its tensors belong to the same units."""

    def units(self) -> tuple[Units, list[Units]]:
        """Return the inputs' units, and all hidden ones."""
        ...


def compacted(network: Layered, state: State) -> tuple[State, Tensor]:
    """Return the tensors without dead units, and the numbers of the inputs that are read."""
    inputs, hidden = network.units()
    state = {name: tensor.clone() for name, tensor in state.items()}
    alive = {units: _read(units, state) for units in (inputs, *hidden)}
    while True:
        for units, kept in alive.items():
            for name in units.written:
                if state[name].ndim == 2:
                    state[name][~kept] = 0.0
        now = {units: _read(units, state) for units in alive}
        if all(torch.equal(now[units], kept) for units, kept in alive.items()):
            break
        alive = now
    for units, kept in alive.items():
        if not kept.any():
            kept[0] = True  # no layer is empty
        for name in units.written:
            state[name] = state[name][kept]
        for name in units.read:
            state[name] = state[name][:, kept]
    return state, alive[inputs].nonzero().squeeze(1)


def _read(units: Units, state: State) -> Tensor:
    """Which units somebody reads."""
    return torch.stack([(state[name] != 0).any(dim=0) for name in units.read]).any(dim=0)
