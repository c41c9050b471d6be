"""Drawn: what the stages of a lottery leave in a run's folder, each file whole or not there.

A unit's folder has for every round what is kept, the masker that chose it, the trained network of
the ticket where it is to be handed out, and a row of numbers; and how it ended, where training
diverged.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from torch import nn

from ...methods.icpg.masker import Masker
from ...methods.icpg.rounds import Kept
from ...methods.models.exported import tensors as as_file
from ...methods.tensors.weights import State, below, state_of
from ..storage.whole_file import write_whole
from .rounds import FAILED, ROUNDS, Failed, Row, Unit, read_row


class Drawn:
    """The rounds of one unit on disk."""

    def __init__(self, run: Path, unit: Unit) -> None:
        self._folder, self.unit = run / ROUNDS / unit.name, unit

    def keep(self, kept: Kept, masker: Masker | None, seconds: float) -> None:
        """Write what a soft stage has left."""
        tensors: State = {f"mask.{name}": mask for name, mask in kept.masks.items()}
        tensors["edges"] = torch.from_numpy(np.packbits(kept.edges.numpy()))
        tensors["edge_count"] = torch.tensor(len(kept.edges))
        tensors["seconds"] = torch.tensor(seconds, dtype=torch.float64)
        if masker is not None:
            tensors |= {f"masker.{name}": one for name, one in masker.state_dict().items()}
        self._write(kept.round, "kept", tensors)

    def kept(self, round_: int) -> tuple[Kept, State, float] | None:
        """Return what a round has kept, its masker's tensors, and its seconds; None if unknown."""
        path = self._path(round_, "kept.safetensors")
        if not path.exists():
            return None
        tensors = load_tensors(path.read_bytes())
        count = int(tensors["edge_count"])
        bits = np.unpackbits(tensors["edges"].numpy(), count=count).astype(bool)
        kept = Kept(round_, below("mask.", tensors), torch.from_numpy(bits))
        return kept, below("masker.", tensors), float(tensors["seconds"])

    def network(self, round_: int) -> State:
        """The tensors of a round's trained network."""
        return load_tensors(self._path(round_, "network.safetensors").read_bytes())

    def trained(self, round_: int, network: nn.Module) -> None:
        """Write a round's trained network."""
        self._write(round_, "network", state_of(network))

    def played(self, round_: int, row: Row) -> None:
        """Write what a ticket stage has found."""
        self._write_file(_name(round_, "json"), json.dumps(asdict(row)).encode())

    def row(self, round_: int) -> Row | None:
        """What a ticket stage has found; None before it is over."""
        path = self._path(round_, "json")
        return read_row(path) if path.exists() else None

    def fail(self, round_: int, reason: str) -> None:
        """End the unit in a round whose training diverged."""
        unit = self.unit
        failed = Failed(unit.variant, unit.seed, unit.fold, round_, reason)
        self._write_file(FAILED, json.dumps(asdict(failed)).encode())

    @property
    def has_failed(self) -> bool:
        """Whether the unit has ended before its last round."""
        return (self._folder / FAILED).exists()

    def _write(self, round_: int, kind: str, tensors: State) -> None:
        self._write_file(_name(round_, f"{kind}.safetensors"), as_file(tensors))

    def _write_file(self, name: str, content: bytes) -> None:
        """Make the folder when there is something for it: others' are looked at as well."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / name, content)

    def _path(self, round_: int, kind: str) -> Path:
        return self._folder / _name(round_, kind)


def _name(round_: int, kind: str) -> str:
    return f"{round_:02d}.{kind}"
