"""What a dispatcher tells of its load, on simulated workers."""

import math

import pytest

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Gone
from secateur.actors.job import Answer, Job
from secateur.actors.load import Load
from secateur.actors.simulated_fleet import SimulatedFleet
from secateur.search.candidate import Estimate

IDLE = Load(queued=0, hired=2, ready=2, busy=0, lost=0, hedged=0, disagreements=0)


def answer(worker: str, job: Job, value: float = 1.0) -> Answer:
    return Answer(job.number, job.quantity, Estimate.exact(value), worker, 1.0)


def steady(worker: str, job: Job):
    return 1.0, answer(worker, job)


def dispatcher(measure, **sizes: int) -> Dispatcher:
    fleet = SimulatedFleet(sizes or {"evaluator": 2}, measure)
    return Dispatcher(fleet, lease_seconds=100.0, hedge=1.5)


def submit(found: Dispatcher, numbers: range) -> None:
    for number in numbers:
        found.submit(Job(number, (1,), "error"))


def answered(found: Dispatcher, numbers: range) -> None:
    submit(found, numbers)
    for _ in numbers:
        found.next_answer()


def test_jobs_wait_and_workers_are_busy_until_all_is_answered():
    found = dispatcher(steady)
    submit(found, range(5))
    assert found.load()["evaluator"].queued == 5  # nobody is there yet
    found.next_answer()
    load = found.load()["evaluator"]
    assert (load.queued, load.hired, load.ready) == (2, 2, 2)
    assert load.busy == 2
    for _ in range(4):
        found.next_answer()
    assert found.load() == {"evaluator": IDLE}


def test_every_role_has_a_load_of_its_own():
    found = dispatcher(steady, evaluator=2, profiler=1)
    answered(found, range(3))
    assert found.load()["evaluator"] == IDLE
    assert found.load()["profiler"].hired == 1


@pytest.mark.parametrize("end", ["dies", "hangs"])
def test_a_lease_is_lost_where_a_worker_dies_or_hangs(end):
    tried: list[int] = []

    def once(worker: str, job: Job):
        tried.append(job.number)
        if tried.count(3) > 1 or job.number != 3:
            return 1.0, answer(worker, job)
        return (0.5, Gone(worker, "killed")) if end == "dies" else (math.inf, answer(worker, job))

    found = dispatcher(once, evaluator=1)
    answered(found, range(5))
    assert (found.load()["evaluator"].lost, tried.count(3)) == (1, 2)


def test_a_slow_job_is_hedged_and_a_contradiction_counted():
    tried: list[int] = []

    def slow_once(worker: str, job: Job):
        tried.append(job.number)
        if job.number == 50 and tried.count(50) == 1:
            return 9.0, answer(worker, job, 2.0)
        return 1.0, answer(worker, job)

    found = dispatcher(slow_once)
    answered(found, range(20))
    assert found.load()["evaluator"].hedged == 0
    answered(found, range(50, 70))
    load = found.load()["evaluator"]
    assert (load.hedged, load.disagreements, load.lost) == (1, 1, 0)
