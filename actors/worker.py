"""Worker: a long-lived process that owns a device, loads once and measures many.

Evaluators (accuracy) and profilers (latency) differ in what they load, in nothing else.
"""

import os
import time
from collections.abc import Callable, Collection

from ..search.candidate import Estimate
from .job import Answer, Job

Measure = Callable[[Job], Estimate]


class Worker:
    """Measures jobs on the device it owns; `load` runs once, in the worker's own process."""

    def __init__(self, name: str, load: Callable[[], Measure], cores: Collection[int] = ()) -> None:
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
        self._name = name
        self._measure = load()

    def measure(self, job: Job) -> Answer:
        """Measure one quantity. Running out of memory is an answer; a bug still raises."""
        start = time.perf_counter()
        result: Estimate | str
        try:
            result = self._measure(job)
        except MemoryError as error:
            result = f"out of memory: {error}"
        if not isinstance(result, Estimate | str):
            raise TypeError(f"a measurement must return an Estimate, got {result!r}")
        return Answer(job.number, job.quantity, result, self._name, time.perf_counter() - start)
