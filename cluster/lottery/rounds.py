"""Rounds: the units of a lottery, and the row of numbers that each round of one ends with.

A unit whose training diverges ends there, with a file that says so.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..settings.graph_config import Icpg

ROUNDS = "rounds"
"""The folder in a run's that holds a folder for every unit."""

FAILED = "failed.json"
"""In a unit's folder: in which round its training diverged, and how."""

DENSE, TRANSFER = "dense", "transfer"
"""What nothing is removed from, in a round 0; and what another run's maskers remove edges from."""


def removed_of(settings: Icpg, variant: str) -> tuple[float, float]:
    """The shares of the edges and weights that each round of a variant removes."""
    edges = 0.0 if variant in (DENSE, "weights") else settings.edges
    weights = 0.0 if variant in (DENSE, "edges", TRANSFER) else settings.weights
    return edges, weights


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


@dataclass(frozen=True, slots=True)
class Failed:
    """A unit that ended in a round, because its training diverged there."""

    variant: str
    seed: int
    fold: int
    round: int
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.variant}, seed {self.seed}, fold {self.fold}, round {self.round} failed: "
            f"{self.reason}"
        )


def rows(run: Path) -> list[Row]:
    """Return every round that is over, unit by unit."""
    every = map(read_row, row_files(run))
    return sorted(every, key=lambda row: (row.seed, row.fold, row.variant, row.round))


def row_files(run: Path) -> Iterator[Path]:
    """The file of every round that is over."""
    return (run / ROUNDS).glob("*/[0-9]*.json")


def read_row(path: Path) -> Row:
    """Return what a round's file tells."""
    values: dict[str, Any] = json.loads(path.read_text())
    return Row(**values)


def failures(run: Path) -> list[Failed]:
    """Return every unit that ended before its last round."""
    every = map(read_failed, failed_files(run))
    return sorted(every, key=lambda one: (one.seed, one.fold, one.variant))


def failed_files(run: Path) -> Iterator[Path]:
    """The file of every unit that ended before its last round."""
    return (run / ROUNDS).glob(f"*/{FAILED}")


def read_failed(path: Path) -> Failed:
    """Return what the file of such a unit tells."""
    values: dict[str, Any] = json.loads(path.read_text())
    return Failed(**values)
