"""Worker: a long-lived process that owns a device, loads once and measures many.

Evaluators (accuracy) and profilers (latency) differ in what they load, in nothing else.
"""

import os
import time
from collections.abc import Callable, Collection

from ..search.candidate import Estimate
from .job import Answer, Job, Reading

Measure = Callable[[Job], Estimate | Reading]


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
        found: Estimate | Reading | str
        try:
            found = self._measure(job)
        except MemoryError as error:
            found = f"out of memory: {error}"
        if not isinstance(found, Estimate | Reading | str):
            raise TypeError(f"a measurement must return an Estimate or a Reading, got {found!r}")
        seconds = time.perf_counter() - start
        if isinstance(found, Reading):
            told = (found.estimate, self._name, seconds)
            return Answer(job.number, job.quantity, *told, beside=found.beside)
        return Answer(job.number, job.quantity, found, self._name, seconds)
