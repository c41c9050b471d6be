"""The search space: which widths a genome may hold."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Widths = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Channels that are kept or removed together, and the grid of widths they may have.

    The grid holds the multiples of `step` between `minimum` and `width`, and `width` itself:
    leaving a group dense is always possible.
    """

    name: str
    width: int
    minimum: int
    step: int

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"group {self.name}: step must be at least 1, got {self.step!r}")
        if not 1 <= self.minimum <= self.width:
            raise ValueError(
                f"group {self.name}: minimum must lie between 1 and its width {self.width}, "
                f"got {self.minimum!r}"
            )

    @property
    def choices(self) -> tuple[int, ...]:
        """All allowed widths, ascending."""
        first = -(-self.minimum // self.step) * self.step
        return (*range(first, self.width, self.step), self.width)


@dataclass(frozen=True)
class Space:
    """All genomes: one width for each group, in order."""

    groups: tuple[LayerGroup, ...]

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("a space needs at least one group: there is nothing to prune")

    @cached_property
    def choices(self) -> tuple[tuple[int, ...], ...]:
        """The allowed widths of every group."""
        return tuple(group.choices for group in self.groups)

    @cached_property
    def size(self) -> int:
        """The number of distinct genomes."""
        total = 1
        for choices in self.choices:
            total *= len(choices)
        return total

    @property
    def dense(self) -> Widths:
        """The genome that prunes nothing."""
        return tuple(group.width for group in self.groups)

    def uniform(self, ratio: float) -> Widths:
        """Keep the same share of every group, as near as the grid allows."""
        return self.repair([ratio * group.width for group in self.groups])

    def random(self, rng: np.random.Generator) -> Widths:
        """Draw every width independently and uniformly from its choices."""
        return tuple(int(rng.choice(choices)) for choices in self.choices)

    def repair(self, widths: list[float]) -> Widths:
        """Move every width to the nearest allowed one (the smaller of two equally near)."""
        return tuple(
            min(choices, key=lambda choice: (abs(choice - width), choice))
            for choices, width in zip(self.choices, widths, strict=True)
        )

    @cached_property
    def highest(self) -> NDArray[np.int64]:
        """The position of each group's dense width among its choices, shape (groups,)."""
        return np.array([len(choices) - 1 for choices in self.choices])

    def genomes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Turn positions of shape (..., groups) into widths; those beyond an end go to it."""
        within = np.clip(positions, 0, self.highest)
        genomes: NDArray[np.int64] = self._table[np.arange(len(self.groups)), within]
        return genomes

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        """Every group's choices as a row, the shorter ones filled up with the dense width."""
        longest = int(self.highest.max()) + 1
        return np.array([[*row, *[row[-1]] * (longest - len(row))] for row in self.choices])

    def positions(self, widths: Widths) -> NDArray[np.int64]:
        """Where each width stands among its group's choices, shape (groups,)."""
        return np.array(
            [choices.index(width) for choices, width in zip(self.choices, widths, strict=True)]
        )

    def at(self, positions: NDArray[np.int64]) -> Widths:
        """Return the genome at these positions; those beyond an end are moved to it."""
        return tuple(self.genomes(positions).tolist())
