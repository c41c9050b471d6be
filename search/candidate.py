"""Candidates and their outcomes: the values that every room speaks of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Origin = Literal["dense", "initial", "variation", "local search", "random move"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured number and its 95 % confidence interval; `low == high` where it is exact."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for number in (self.value, self.low, self.high)):
            raise ValueError(
                f"an estimate must be finite, got {self.value!r} in [{self.low!r}, {self.high!r}]: "
                "report what cannot be measured as a Failure"
            )
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"an estimate must lie in its interval, got {self.value!r} outside "
                f"[{self.low!r}, {self.high!r}]"
            )

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """A number that was computed, not sampled."""
        return cls(float(value), float(value), float(value))

    def times(self, scale: float) -> "Estimate":
        """The number and its interval in another unit; the scale is above 0."""
        return Estimate(self.value * scale, self.low * scale, self.high * scale)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the surrogates expected of a candidate before it was measured.

    `objectives` are in measured units; `tau` is each surrogate's Kendall rank correlation with
    held-out outcomes at that moment.
    """

    objectives: tuple[float, ...]
    tau: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One genome: the channels kept in each prunable group, then its other genes, if any."""

    number: int
    genome: tuple[int, ...]
    origin: Origin
    forecast: Forecast | None = None

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"a candidate's number must be at least 0, got {self.number!r}")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of one candidate: its objectives, then what only constraints bound.

    Every objective is minimised. `predicted` names what was not measured but foretold: nothing is
    to be learned from it.
    """

    candidate: Candidate
    estimates: tuple[Estimate, ...]
    predicted: frozenset[str] = frozenset()

    @property
    def objectives(self) -> tuple[float, ...]:
        """The measured values alone, in the order of the objectives."""
        return tuple(estimate.value for estimate in self.estimates)


@dataclass(frozen=True, slots=True)
class Failure:
    """A candidate that was not measured, and why; what is known of it all the same.

    Expected at scale.
    """

    candidate: Candidate
    reason: str
    known: Mapping[str, Estimate] = field(default_factory=dict)


Outcome = Evaluation | Failure
