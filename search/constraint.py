"""Constraints: what a network must not exceed, and by how much it does."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TEXT = re.compile(r"\s*(\w+)\s*<=\s*([-+.\w]+?)(x?)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A quantity's upper bound; a `relative` one is a multiple of the dense network's."""

    quantity: str
    bound: float
    relative: bool

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bound) and self.bound > 0):
            raise ValueError(f"the bound of {self.quantity} must be above 0, got {self.bound!r}")

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Read `latency_ms <= 0.6x` (relative to the dense network) or `error <= 0.1`."""
        found = _TEXT.fullmatch(text)
        try:
            if found:
                return cls(found[1], float(found[2]), found[3] == "x")
        except ValueError as error:
            raise ValueError(f"{text!r} is no constraint: {error}") from error
        raise ValueError(f"a constraint looks like 'latency_ms <= 0.6x', got {text!r}")


def quantities(objectives: Sequence[str], constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """Name what must be known of a network: the objectives, then what only constraints bound."""
    return tuple(dict.fromkeys([*objectives, *(one.quantity for one in constraints)]))


def violations(
    constraints: Sequence[Constraint],
    names: Sequence[str],
    values: NDArray[np.float64],
    dense: Sequence[float],
) -> NDArray[np.float64]:
    """Return by how much each network exceeds its bounds, in multiples of them, summed; 0: by none.

    Args:
        constraints: the bounds.
        names: the quantities that the columns of `values` hold.
        values: shape (networks, quantities).
        dense: the dense network's quantities.
    """
    total = np.zeros(len(values))
    for constraint in constraints:
        column = names.index(constraint.quantity)
        bound = constraint.bound * (dense[column] if constraint.relative else 1.0)
        total += np.maximum(0.0, values[:, column] / bound - 1.0)
    return total
