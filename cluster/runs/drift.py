"""Drift: whether a device is still as fast as when the dense network was measured on it.

Latencies are ratios to the dense network's, so that drift does not spoil them; but a device that
has become half as fast is not the one that the milliseconds are told of.
"""

import statistics
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from ...actors.job import Answer, Job, Quantity, is_latency, once
from ...search.candidate import Estimate
from .coordinator import Measuring
from .progress import Watcher

MOVED = 0.1
"""A device has moved when the dense network takes this share more or less than it did at first."""

LATEST = 5
"""The latest measurements, whose middle one counts."""


class DriftAlarm:
    """Says when the device of a latency has moved, and when it is back; `known` are old answers."""

    def __init__(
        self, measuring: Measuring, watcher: Watcher, known: Iterable[Mapping[Quantity, Answer]]
    ) -> None:
        self._measuring = measuring
        self._watcher = watcher
        self._seen = Drift()
        self._moved: set[Quantity] = set()
        for answers in known:
            for answer in answers.values():
                self._seen.take(answer)

    def submit(self, job: Job) -> None:
        """Hand the job on."""
        self._measuring.submit(job)

    def next_answer(self) -> Answer:
        """Wait for the next answer."""
        answer = self._measuring.next_answer()
        self._seen.take(answer)
        name = once(answer.quantity)
        moved = self._seen.by().get(name)
        if (moved is not None) != (name in self._moved):
            self._moved ^= {name}
            self._watcher.say(
                f"{name}: the device is as fast as at first again"
                if moved is None
                else f"warning: {name}: the dense network takes {1 + moved:.2f} times what it took "
                "at first; ratios hold, milliseconds do not"
            )
        return answer


class Drift:
    """How far the devices of a run's latencies have moved."""

    def __init__(self) -> None:
        self._first: dict[Quantity, float] = {}
        self._latest: dict[Quantity, deque[float]] = defaultdict(lambda: deque(maxlen=LATEST))

    def take(self, answer: Answer) -> None:
        """Take an answer of whatever quantity."""
        if not is_latency(answer.quantity) or not isinstance(answer.result, Estimate):
            return
        if answer.number == 0:
            self._first[once(answer.quantity)] = answer.result.value
        elif (beside := answer.beside.get("beside_ms")) is not None:
            self._latest[once(answer.quantity)].append(beside)

    def by(self) -> dict[Quantity, float]:
        """By which share each device that has moved is slower now; below 0, faster."""
        found = {
            name: statistics.median(latest) / self._first[name] - 1
            for name, latest in self._latest.items()
            if name in self._first and len(latest) == LATEST
        }
        return {name: moved for name, moved in found.items() if abs(moved) > MOVED}
