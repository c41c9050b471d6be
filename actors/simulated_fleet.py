"""Simulated fleet: workers on a clock of their own, to see what thousands of them would do."""

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from .fleet import Event, Gone, Placed, Ready
from .job import Answer, Job, Role

Behaviour = Callable[[str, Job], tuple[float, Answer | Gone]]
"""After how many seconds a worker answers a job, or dies of it; infinite where it hangs."""


class SimulatedFleet:
    """No worker works: everything that will happen to it is known when it is asked.

    `sizes` may change at any time. `starts` tells after how many seconds a worker is ready, or
    breaks; it is placed at once, or with nothing told, never.
    """

    def __init__(
        self,
        sizes: Mapping[Role, int],
        behaviour: Behaviour,
        *,
        starts: Callable[[str], tuple[float, Ready | Gone] | None] = (
            lambda worker: (0.0, Ready(worker))
        ),
    ) -> None:
        self.sizes = dict(sizes)
        self._worked = 0.0
        self._behaviour = behaviour
        self._starts = starts
        self._clock = 0.0
        self._serial = itertools.count()
        self._coming: list[tuple[float, int, Event]] = []
        self._working: dict[str, float] = {}  # hired workers, and since when they are at a job
        self._workers: set[str] = set()

    @property
    def busy_seconds(self) -> float:
        """What all workers have worked up to now, in sum."""
        return self._worked + sum(self._clock - since for since in self._working.values())

    def now(self) -> float:
        """Simulated seconds."""
        return self._clock

    def wanted(self) -> Mapping[Role, int]:
        """The sizes as they are now."""
        return self.sizes

    def hire(self, worker: str, role: Role) -> None:  # noqa: ARG002 - all roles are alike
        """Let the worker be ready, or break, when its start is over."""
        self._workers.add(worker)
        if (start := self._starts(worker)) is not None:
            self._announce(0.0, Placed(worker))
            self._announce(*start)

    def ask(self, worker: str, job: Job) -> None:
        """Let the answer come when it is due."""
        self._working[worker] = self._clock
        self._announce(*self._behaviour(worker, job))

    def dismiss(self, worker: str) -> None:
        """Let nothing more come from a worker."""
        self._rest(worker)
        self._workers.discard(worker)

    def wait(self, until: float) -> Sequence[Event]:
        """Move the clock to the next event, or to `until`."""
        while self._coming and self._coming[0][0] <= until:
            self._clock, _, event = heapq.heappop(self._coming)
            if event.worker in self._workers:
                self._rest(event.worker)
                return [event]
        if math.isinf(until):
            raise RuntimeError("all simulated workers hang and nobody looks after them")
        self._clock = max(self._clock, until)
        return []

    def close(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self.dismiss(worker)

    def _announce(self, seconds: float, event: Event) -> None:
        if math.isfinite(seconds):
            heapq.heappush(self._coming, (self._clock + seconds, next(self._serial), event))

    def _rest(self, worker: str) -> None:
        if (since := self._working.pop(worker, None)) is not None:
            self._worked += self._clock - since
