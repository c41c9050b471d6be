"""Channels: the entries of tensors' dimensions by number, and what ties them to each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FIXED = -1
"""The number of an entry that is no channel of ours: a pixel's colour, a constant."""

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """Channels that leave together.

    `of[i]` is the class of channel i; `reason[c]` says why class c must stay (None: it may go);
    `coupled[c]` tells whether an addition ties together what nothing else does.
    """

    of: Ids
    reason: tuple[str | None, ...]
    coupled: NDArray[np.bool_]


class Channels:
    """Gives out numbers, and remembers ties between channels and what holds them in place."""

    def __init__(self) -> None:
        self.dimensions: dict[tuple[str, int], Ids] = {}
        self._size = 0
        self._ties: list[tuple[Ids, Ids]] = []
        self._sums: list[tuple[Ids, Ids]] = []
        self._pins: list[tuple[Ids, str]] = []

    def of(self, tensor: str, dim: int, size: int) -> Ids:
        """Return the channels along one dimension of a tensor, numbered when first asked for."""
        key = (tensor, dim)
        if key not in self.dimensions:
            self.dimensions[key] = np.arange(self._size, self._size + size)
            self._size += size
        return self.dimensions[key]

    def tie(self, one: Ids, other: Ids, reason: str, *, sums: bool = False) -> None:
        """Let channels leave together, entry by entry; one that is tied to FIXED has to stay.

        `sums` marks an addition of two activations.
        """
        self.pin(one[other == FIXED], reason)
        self.pin(other[one == FIXED], reason)
        free = (one != FIXED) & (other != FIXED) & (one != other)
        if free.any():
            (self._sums if sums else self._ties).append((one[free], other[free]))

    def pin(self, ids: Ids, reason: str) -> None:
        """Hold channels in place."""
        ids = ids[ids != FIXED]
        if len(ids):
            self._pins.append((ids, reason))

    def classes(self) -> Classes:
        """Work out which channels leave together."""
        count, of = self._components([*self._ties, *self._sums])
        _, before_sums = self._components(self._ties)
        reason: list[str | None] = [None] * count
        for ids, why in reversed(self._pins):
            for number in np.unique(of[ids]):
                reason[number] = why
        coupled = np.zeros(count, dtype=bool)
        for one, other in self._sums:
            coupled[of[one[before_sums[one] != before_sums[other]]]] = True
        return Classes(of, tuple(reason), coupled)

    def _components(self, ties: list[tuple[Ids, Ids]]) -> tuple[int, Ids]:
        empty = np.empty(0, np.int64)
        rows = np.concatenate([empty, *(one for one, _ in ties)])
        columns = np.concatenate([empty, *(other for _, other in ties)])
        links = coo_array((np.ones(len(rows), bool), (rows, columns)), (self._size, self._size))
        count, of = connected_components(links, directed=False)
        return count, of.astype(np.int64)
