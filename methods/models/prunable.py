"""Prunable: a dense network and how it is pruned, as a value that can be sent to any process."""

from dataclasses import dataclass
from typing import Any

import torch

from ..data.normalisation import Normalisation
from ..pruning.criteria import Rankings
from ..pruning.plan import Plan
from ..pruning.surgery import Pruner
from ..tensors.weights import State, assign
from .exported import build


@dataclass(frozen=True, slots=True)
class Prunable:
    """A factory's import path, the trained tensors, the plan and what ranks its channels."""

    factory: str
    arguments: dict[str, Any]
    state: State
    plan: Plan
    rankings: Rankings
    normalisation: Normalisation
    shape: tuple[int, int, int]  # channels, height, width of one image

    def pruner(self, *, threads: int = 1) -> Pruner:
        """Build the dense network once, in a process that computes on this many threads.

        The number of threads is fixed, as sums in another order would give other last digits.
        """
        torch.set_num_threads(threads)
        network = assign(build(self.factory, self.arguments), self.state).eval()
        return Pruner(
            network.to(memory_format=torch.channels_last),
            self.plan,
            self.rankings,
        )
