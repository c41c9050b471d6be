"""Goals: what a search minimises and what it must not exceed, judged beside the dense network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .constraint import Constraint
from .objective import REFERENCE, Objective


@dataclass(frozen=True)
class Goals:
    """The objectives, all minimised, and the constraints."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """What must be known of a network: the objectives, then what only constraints bound."""
        names = [objective.name for objective in self.objectives]
        return tuple(dict.fromkeys([*names, *(one.quantity for one in self.constraints)]))

    def reference(self, worst_error: float = REFERENCE) -> NDArray[np.float64]:
        """Return the normalised corner beyond which nothing counts; the error has its own bound."""
        return np.array(
            [worst_error if one.name == "error" else REFERENCE for one in self.objectives]
        )

    def beside(self, dense: Sequence[float]) -> "Judge":
        """Return who judges by the quantities of the dense network."""
        if len(dense) != len(self.quantities):
            raise ValueError(
                f"the dense network needs a value for each of {', '.join(self.quantities)}, "
                f"got {len(dense)}"
            )
        divisors = []
        for objective, value in zip(self.objectives, dense, strict=False):
            if objective.relative and value <= 0:
                raise ValueError(
                    f"{objective.name} of the dense network must be above 0 to compare with it, "
                    f"got {value!r}"
                )
            divisors.append(float(value) if objective.relative else 1.0)
        return Judge(self, tuple(dense), np.array(divisors))


@dataclass(frozen=True)
class Judge:
    """Tells what networks are worth from their quantities, shape (networks, quantities)."""

    goals: Goals
    dense: tuple[float, ...]
    divisors: NDArray[np.float64]  # shape (objectives,)

    def points(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The normalised objectives: relative ones are multiples of the dense network's."""
        scaled: NDArray[np.float64] = values[:, : len(self.divisors)] / self.divisors
        return scaled

    def violations(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much each network exceeds its bounds, in multiples of them, summed; 0: by none."""
        total = np.zeros(len(values))
        for constraint in self.goals.constraints:
            column = self.goals.quantities.index(constraint.quantity)
            total += np.maximum(0.0, values[:, column] / self.bound(constraint) - 1.0)
        return total

    def bound(self, constraint: Constraint) -> float:
        """A constraint's bound in the quantity's own unit."""
        column = self.goals.quantities.index(constraint.quantity)
        return constraint.bound * (self.dense[column] if constraint.relative else 1.0)
