"""Rounds: the units of a lottery, and the row of numbers that each round of one ends with."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUNDS = "rounds"
"""The folder in a run's that holds a folder for every unit."""

DENSE, TRANSFER = "dense", "transfer"
"""What nothing is removed from, in a round 0; and what another run's maskers remove edges from."""


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """What one worker works on: one way to choose, on one split of the data, from one seed."""

    seed: int
    fold: int
    variant: str

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.variant}-seed{self.seed}-fold{self.fold}"


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a round: shares that are gone, scores of the best epoch, seconds it took."""

    variant: str
    seed: int
    fold: int
    round: int
    edges_gone: float
    weights_gone: float
    epoch: int
    validation: float
    test: float
    best_test: float
    soft_s: float
    ticket_s: float


def rows(run: Path) -> list[Row]:
    """Return every round that is over, unit by unit."""
    every = map(read_row, row_files(run))
    return sorted(every, key=lambda row: (row.seed, row.fold, row.variant, row.round))


def row_files(run: Path) -> Iterator[Path]:
    """The file of every round that is over."""
    return (run / ROUNDS).glob("*/*.json")


def read_row(path: Path) -> Row:
    """Return what a round's file tells."""
    values: dict[str, Any] = json.loads(path.read_text())
    return Row(**values)
