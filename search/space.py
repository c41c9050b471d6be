"""The search space: which genomes there are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Genome = tuple[int, ...]


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
    """All genomes: one width for each group, in order.

    Where channels may be ranked by several `criteria`, as many genes follow: for each group the
    number of its criterion. A group that keeps all its channels has criterion 0, so that no network
    has two genomes.
    """

    groups: tuple[LayerGroup, ...]
    criteria: int = 1

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("a space needs at least one group: there is nothing to prune")
        if self.criteria < 1:
            raise ValueError(f"a space needs at least one criterion, got {self.criteria!r}")

    @cached_property
    def choices(self) -> tuple[tuple[int, ...], ...]:
        """The allowed values of every gene."""
        widths = tuple(group.choices for group in self.groups)
        if self.criteria == 1:
            return widths
        return (*widths, *(tuple(range(self.criteria)) for _ in widths))

    @property
    def genes(self) -> int:
        """How many numbers a genome holds."""
        return len(self.choices)

    @cached_property
    def size(self) -> int:
        """The number of distinct genomes."""
        total = 1
        for group in self.groups:
            total *= 1 + self.criteria * (len(group.choices) - 1)
        return total

    @property
    def dense(self) -> Genome:
        """The genome that prunes nothing."""
        return self.at(self.highest)

    def uniform(self, ratio: float) -> Genome:
        """Keep the same share of every group, as near as the grid allows, by criterion 0."""
        widths = self.repair([ratio * group.width for group in self.groups])
        return (*widths, *[0] * (self.genes - len(widths)))

    def random(self, rng: np.random.Generator) -> Genome:
        """Draw every gene independently and uniformly from its choices."""
        drawn = [int(rng.integers(len(choices))) for choices in self.choices]
        return self.at(np.array(drawn, dtype=np.int64))

    def repair(self, widths: list[float]) -> tuple[int, ...]:
        """Move every width to the nearest allowed one (the smaller of two equally near)."""
        return tuple(
            min(group.choices, key=lambda choice: (abs(choice - width), choice))
            for group, width in zip(self.groups, widths, strict=True)
        )

    @cached_property
    def highest(self) -> NDArray[np.int64]:
        """The position of each gene's last value among its choices, shape (genes,)."""
        return np.array([len(choices) - 1 for choices in self.choices])

    def genomes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Turn positions of shape (..., genes) into genomes; those beyond an end go to it."""
        within = np.clip(positions, 0, self.highest)
        genomes: NDArray[np.int64] = self._table[np.arange(self.genes), within]
        if self.criteria > 1:
            groups = len(self.groups)
            whole = within[..., :groups] == self.highest[:groups]
            genomes[..., groups:][whole] = 0
        return genomes

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        """Every gene's choices as a row, the shorter ones filled up with the last."""
        longest = int(self.highest.max()) + 1
        return np.array([[*row, *[row[-1]] * (longest - len(row))] for row in self.choices])

    def positions(self, genome: Genome) -> NDArray[np.int64]:
        """Where each gene stands among its choices, shape (genes,)."""
        return np.array(
            [choices.index(gene) for choices, gene in zip(self.choices, genome, strict=True)]
        )

    def at(self, positions: NDArray[np.int64]) -> Genome:
        """Return the genome at these positions; those beyond an end are moved to it."""
        return tuple(self.genomes(positions).tolist())
