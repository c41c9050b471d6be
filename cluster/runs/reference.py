"""Reference: the dense network's latency that all others of a run are relative to.

It is measured once a run. A profiler that is hired meanwhile does not know it and measures it anew,
some per cent apart; so does the first one of a run that took it over from an earlier run.
"""

from collections.abc import Callable
from dataclasses import replace

from ...actors.job import REFERENCE, Answer, Job, Quantity, once
from ...search.candidate import Estimate
from .coordinator import Measuring


class OneReference:
    """Tells latencies relative to the dense network's that the run knows, if it knows it yet."""

    def __init__(
        self, measuring: Measuring, dense_latency: Callable[[Quantity], Estimate | None]
    ) -> None:
        self._measuring = measuring
        self._dense_latency = dense_latency

    def submit(self, job: Job) -> None:
        """Hand the job on."""
        self._measuring.submit(job)

    def next_answer(self) -> Answer:
        """Wait for the next answer."""
        answer = self._measuring.next_answer()
        found, theirs = answer.result, answer.beside.get(REFERENCE)
        if isinstance(found, str) or theirs is None:
            return answer
        if (ours := self._dense_latency(once(answer.quantity))) is None:
            return answer
        return replace(answer, result=found.times(ours.value / theirs))
