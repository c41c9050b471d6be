"""Metrics: how a search fares, through Ray to Prometheus.

Ray exports them where its dashboard agent runs (`pip install 'secateur[cluster]'`), as `ray_NAME`,
and counters as `ray_NAME_total`. Elsewhere they go nowhere and cost microseconds.
"""

import time

import numpy as np
from ray.util.metrics import Counter, Gauge

from ...actors.dispatcher import Dispatcher
from ...actors.job import Answer, Job
from ...search.candidate import Evaluation, Outcome
from ...search.goals import Goals, Judge
from ...search.indicators import RunningHypervolume

LOAD = {
    "queued": ("secateur_queued_jobs", "Jobs that wait for a worker"),
    "hired": ("secateur_hired_workers", "Workers, also those that wait for a place or load"),
    "ready": ("secateur_ready_workers", "Workers that can measure"),
    "busy": ("secateur_busy_workers", "Workers that measure"),
    "lost": ("secateur_lost_leases", "Attempts whose worker died, hung or was too slow, so far"),
    "hedged": ("secateur_hedged_attempts", "Attempts at jobs that were slow elsewhere, so far"),
    "disagreements": ("secateur_disagreements", "Answers that contradict the first, so far"),
}
"""Gauges by run and role, and what they tell; the keys are the fields of a dispatcher's load."""

HYPERVOLUME = ("secateur_hypervolume", "What the networks measured so far dominate")
EVALUATIONS = ("secateur_evaluations", "Networks of which all is measured, or that failed")
COORDINATION = ("secateur_coordination_seconds", "Time in which nobody waited for an answer")


class Metered:
    """A dispatcher of which, and of what it finds, is told under a run's name."""

    def __init__(self, dispatcher: Dispatcher, run: str, goals: Goals) -> None:
        self._dispatcher = dispatcher
        self._run = {"run": run}
        self._volume = Volume(goals)
        self._load = {field: Gauge(*named, ("run", "role")) for field, named in LOAD.items()}
        self._hypervolume = Gauge(*HYPERVOLUME, ("run",))
        self._evaluations = Counter(*EVALUATIONS, ("run", "origin", "outcome"))
        self._coordination = Counter(*COORDINATION, ("run",))
        self._since = time.perf_counter()

    def submit(self, job: Job) -> None:
        """Hand the job on."""
        self._dispatcher.submit(job)

    def next_answer(self) -> Answer:
        """Wait for the next answer; what was done since the last one is coordination."""
        seconds = time.perf_counter() - self._since
        self._coordination.inc(max(seconds, 1e-9), self._run)  # Ray refuses nought
        self._tell_load()  # as it is while everybody waits
        answer = self._dispatcher.next_answer()
        self._since = time.perf_counter()
        self._tell_load()
        return answer

    def evaluated(self, outcome: Outcome) -> None:
        """Count an outcome, and tell what all of them together are worth."""
        how = "evaluated" if isinstance(outcome, Evaluation) else "failed"
        self._evaluations.inc(1, {**self._run, "origin": outcome.candidate.origin, "outcome": how})
        if isinstance(outcome, Evaluation):
            self._hypervolume.set(self._volume.with_one_more(outcome), self._run)

    def measured_again(self, hypervolume: float) -> None:
        """Tell what outcomes are worth now that some are known better."""
        self._hypervolume.set(hypervolume, self._run)

    def _tell_load(self) -> None:
        for role, load in self._dispatcher.load().items():
            tags = {**self._run, "role": role}
            for field, gauge in self._load.items():
                gauge.set(getattr(load, field), tags)


class Volume:
    """The hypervolume of a search's outcomes, in whatever order they come.

    It is nought until the dense network is there, beside which all are judged.
    """

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._judge: Judge | None = None
        self._waiting: list[tuple[float, ...]] = []
        self._running = RunningHypervolume(len(goals.objectives))

    def with_one_more(self, outcome: Evaluation) -> float:
        """Take an outcome and return the hypervolume with it."""
        self._waiting.append(outcome.objectives)
        if outcome.candidate.origin == "dense":
            self._judge = self._goals.beside(outcome.objectives)
        if self._judge is not None:
            values = np.array(self._waiting)
            for point in self._judge.points(values)[self._judge.violations(values) == 0]:
                self._running.add(point)
            self._waiting.clear()
        return self._running.value
