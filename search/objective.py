"""Objectives: what is minimised, and how unlike quantities are put on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REFERENCE = 1.1
"""The reference point of every hypervolume, in each normalised objective."""


def reference_point(names: Sequence[str], worst_error: float) -> NDArray[np.float64]:
    """Return the corner beyond which nothing counts, where the error has a bound of its own."""
    return np.array([worst_error if name == "error" else REFERENCE for name in names])


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity to minimise; one that is `relative` counts in multiples of the dense network's."""

    name: str
    relative: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns measured objectives into normalised ones: multiples of the dense network's."""

    divisors: tuple[float, ...]

    @classmethod
    def of(cls, objectives: Sequence[Objective], dense: Sequence[float]) -> "Scale":
        """Take the relative objectives' divisors from the dense network's measurement."""
        for objective, value in zip(objectives, dense, strict=True):
            if objective.relative and value <= 0:
                raise ValueError(
                    f"{objective.name} of the dense network must be above 0 to compare with it, "
                    f"got {value!r}"
                )
        return cls(
            tuple(
                float(value) if objective.relative else 1.0
                for objective, value in zip(objectives, dense, strict=True)
            )
        )

    def normalise(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Divide points of shape (points, objectives) by the divisors."""
        scaled: NDArray[np.float64] = points / np.asarray(self.divisors)
        return scaled
