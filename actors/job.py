"""Jobs and answers: what is handed to a worker and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..search.candidate import Estimate

Quantity = str
"""error, quick_error (on fewer images), final_error, latency_ms, latency_ms@TARGET, or again_ and
a latency that is measured a second time."""

Role = str
"""evaluator, profiler, or profiler@NODE for what is measured on a node of its own."""

EVALUATOR: Role = "evaluator"
PROFILER: Role = "profiler"
LATENCY = "latency_ms"

DEVICE = "device"
"""What a reading's fingerprint is called, beside it."""

REFERENCE = "reference_ms"
"""What the dense network's latency that a reading is relative to is called, beside it."""

AGAIN = "again_"
"""What the name of a second reading begins with."""

OPERATORS = "operators"
"""What rows of layers' sizes and milliseconds are called, beside a reading."""

_ROLES: dict[Quantity, Role] = {
    "error": EVALUATOR,
    "quick_error": EVALUATOR,
    "final_error": EVALUATOR,
    LATENCY: PROFILER,
}


def is_measured(name: str) -> bool:
    """Whether a quantity of a candidate is measured by workers, and not counted."""
    return _kind(name) in _ROLES


def again(latency: Quantity) -> Quantity:
    """What the second reading of a latency is called."""
    return f"{AGAIN}{latency}"


def once(quantity: Quantity) -> Quantity:
    """The quantity that is measured, for the first time or again."""
    return quantity.removeprefix(AGAIN)


def is_latency(name: str) -> bool:
    """Whether a quantity is the latency on some target."""
    return _kind(name) == LATENCY


def target_of(quantity: Quantity) -> str:
    """The name of the target of a latency; empty where it has none."""
    return quantity.partition("@")[2]


def _kind(name: str) -> str:
    return once(name).partition("@")[0]


@dataclass(frozen=True, slots=True)
class Job:
    """Measure one quantity of one candidate. `node` names who must, if not any profiler can."""

    number: int
    genome: tuple[int, ...]
    quantity: Quantity
    node: str | None = None

    @property
    def role(self) -> Role:
        """Which kind of worker can do it."""
        role = _ROLES[_kind(self.quantity)]
        return role if self.node is None else role_on(self.node)


def role_on(node: str) -> Role:
    """The role of whoever profiles on a node of its own."""
    return f"{PROFILER}@{node}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker has measured, and plain values that it tells beside it."""

    estimate: Estimate
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A measured quantity, or why it could not be measured; which worker took how long.

    `beside` is what the worker tells of how it was measured, in plain values.
    """

    number: int
    quantity: Quantity
    result: Estimate | str
    worker: str
    seconds: float
    attempt: int = 1
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the result is a reason instead of a number."""
        return isinstance(self.result, str)
