"""Constraints: what a network must not exceed."""

import math
import re
from dataclasses import dataclass

_TEXT = re.compile(r"\s*(\w+(?:@[-.\w]+)?)\s*<=\s*([-+.\w]+?)(x?)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A quantity's upper bound; a `relative` one is a multiple of the dense network's."""

    quantity: str
    bound: float
    relative: bool

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bound) and self.bound > 0):
            raise ValueError(f"the bound of {self.quantity} must be above 0, got {self.bound!r}")

    def __str__(self) -> str:
        return f"{self.quantity} <= {self.bound:g}{'x' if self.relative else ''}"

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
