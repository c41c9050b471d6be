"""Jobs and answers: what is handed to a worker and what comes back."""

from dataclasses import dataclass
from typing import Literal

from ..search.candidate import Estimate

Quantity = Literal["error", "quick_error", "latency_ms", "final_error"]
Role = Literal["evaluator", "profiler"]

ROLES: dict[Quantity, Role] = {
    "error": "evaluator",
    "quick_error": "evaluator",  # on fewer images
    "final_error": "evaluator",
    "latency_ms": "profiler",
}


@dataclass(frozen=True, slots=True)
class Job:
    """Measure one quantity of one candidate."""

    number: int
    genome: tuple[int, ...]
    quantity: Quantity

    @property
    def role(self) -> Role:
        """Which kind of worker can do it."""
        return ROLES[self.quantity]


@dataclass(frozen=True, slots=True)
class Answer:
    """A measured quantity, or why it could not be measured; which worker took how long."""

    number: int
    quantity: Quantity
    result: Estimate | str
    worker: str
    seconds: float
    attempt: int = 1

    @property
    def failed(self) -> bool:
        """Whether the result is a reason instead of a number."""
        return isinstance(self.result, str)
