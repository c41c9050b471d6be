"""Learned: what CLAD has come to when its gates have decided, in a file of the run's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from ...methods.clad.cutting import ranking_by
from ...methods.models.exported import tensors as as_file
from ...methods.pruning.criteria import Ranking
from ...methods.pruning.plan import Plan
from ...methods.tensors.weights import State, below, read_weights
from ..settings.checked import ConfigError
from ..storage.whole_file import write_whole

LEARNED = "learned.safetensors"


@dataclass(frozen=True)
class Learned:
    """The network's tensors, gates multiplied in, and the score of every channel of each group."""

    state: State
    scores: list[NDArray[np.float64]]

    def save(self, directory: Path) -> None:
        """Write one file, whole or not at all."""
        tensors = {f"network.{name}": tensor for name, tensor in self.state.items()}
        tensors |= {f"scores.{group}": torch.from_numpy(s) for group, s in enumerate(self.scores)}
        write_whole(directory / LEARNED, as_file(tensors))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` has written."""
        tensors = read_weights(directory / LEARNED)
        groups = sum(name.startswith("scores.") for name in tensors)
        return cls(
            below("network.", tensors),
            [tensors[f"scores.{group}"].numpy() for group in range(groups)],
        )


def learned_ranking(directory: Path, plan: Plan) -> Ranking:
    """Return how a training in a folder ranks the channels of a plan's groups."""
    if not (directory / LEARNED).is_file():
        raise ConfigError(
            f"pruning.criterion: no learned criterion in {directory}: expected the folder of a "
            "`secateur train clad` whose learning is complete"
        )
    scores = Learned.load(directory).scores
    if (theirs := tuple(map(len, scores))) != plan.widths:
        raise ConfigError(
            f"pruning.criterion: {directory} has learned groups of {theirs} channels, the network "
            f"has {plan.widths}: its criterion is for another network or another pruning.scope"
        )
    return ranking_by(scores)
