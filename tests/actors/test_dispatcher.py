"""Leases, hedges and losses on simulated workers; tests/actors/test_fleets.py has the real ones."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.actors.dispatcher import Disagreement, Dispatcher
from secateur.actors.fleet import Gone, Ready, WorkersLost
from secateur.actors.job import Answer, Job
from secateur.actors.simulated_fleet import SimulatedFleet
from secateur.search.candidate import Estimate

LEASE_S = 100.0


def answer(worker: str, job: Job, value: float = 1.0) -> Answer:
    return Answer(job.number, job.quantity, Estimate.exact(value), worker, 1.0)


class Script:
    """What happens at each attempt at a job: by default the answer comes after a second."""

    def __init__(self, **attempts: list) -> None:
        self.tried: Counter[int] = Counter()
        self.asked: list[tuple[str, Job]] = []
        self._attempts = {int(name[1:]): what for name, what in attempts.items()}

    def __call__(self, worker: str, job: Job):
        self.asked.append((worker, job))
        attempt = self.tried[job.number]
        self.tried[job.number] += 1
        planned = self._attempts.get(job.number, [])
        seconds, what = planned[attempt] if attempt < len(planned) else (1.0, 1.0)
        if what == "node":
            return seconds, Gone(worker, "the node has gone", with_node=True)
        if what == "dies":
            return seconds, Gone(worker, "segmentation fault")
        if isinstance(what, str):
            return seconds, Answer(job.number, job.quantity, what, worker, seconds)
        return seconds, answer(worker, job, what)


def unexpected(found: Disagreement) -> None:
    raise AssertionError(found)


def dispatcher(
    script, size: int = 2, *, alarm=unexpected, **options
) -> tuple[Dispatcher, SimulatedFleet]:
    fleet = SimulatedFleet({"evaluator": size}, script, **options)
    return Dispatcher(fleet, lease_seconds=LEASE_S, hedge=1.5, alarm=alarm), fleet


def errors(count: int, first: int = 0) -> list[Job]:
    return [Job(number, (number + 1,), "error") for number in range(first, first + count)]


def answers(found: Dispatcher, jobs: list[Job]) -> list[Answer]:
    for job in jobs:
        found.submit(job)
    return [found.next_answer() for _ in jobs]


def warmed(script, size: int = 2, **options) -> tuple[Dispatcher, SimulatedFleet]:
    """A dispatcher that knows how long a job takes: a second, whatever its number from 100 on."""
    found, fleet = dispatcher(script, size, **options)
    answers(found, errors(20, first=100))
    return found, fleet


def test_every_job_is_answered_by_a_worker_of_its_role():
    fleet = SimulatedFleet({"evaluator": 2, "profiler": 1}, Script())
    found = Dispatcher(fleet, lease_seconds=LEASE_S)
    jobs = errors(6) + [Job(number, (1,), "latency_ms") for number in range(6)]
    told = answers(found, jobs)
    assert Counter((a.number, a.quantity) for a in told) == Counter(
        (job.number, job.quantity) for job in jobs
    )
    assert all(a.worker.startswith(Job(0, (), a.quantity).role) for a in told)
    assert fleet.now() == 6.0  # the profiler's six, one after another


def test_jobs_begin_in_the_order_of_their_submission():
    script = Script()
    answers(dispatcher(script, 3)[0], errors(9))
    assert [job.number for _, job in script.asked] == list(range(9))


def test_the_job_of_a_worker_that_dies_goes_to_another_at_once():
    script = Script(_1=[(0.5, "dies")])
    found, fleet = dispatcher(script, 1)
    told = {a.number: a for a in answers(found, errors(4))}
    assert told[1].attempt == 2
    assert told[1].result == Estimate.exact(1.0)
    assert [job.number for _, job in script.asked] == [0, 1, 1, 2, 3]
    assert fleet.now() == 4.5
    assert len({worker for worker, _ in script.asked}) == 2


def test_a_worker_that_hangs_loses_its_lease():
    found, fleet = dispatcher(Script(_0=[(math.inf, 1.0)]), 1)
    (told,) = answers(found, errors(1))
    assert (told.attempt, fleet.now()) == (2, LEASE_S + 1)


def test_what_a_dismissed_worker_says_later_is_not_heard():
    found, _ = dispatcher(Script(_0=[(LEASE_S + 5, 7.0)]), 1)
    told = answers(found, errors(10))
    assert sorted(a.number for a in told) == list(range(10))
    assert {a.result.value for a in told} == {1.0}


def test_a_job_that_kills_three_workers_is_given_up_and_the_others_go_on():
    found, _ = dispatcher(Script(_0=[(0.1, "dies")] * 9))
    told = {a.number: a for a in answers(found, errors(5))}
    assert told[0].result == "lost 3 workers, the last by: segmentation fault"
    assert told[0].attempt == 3
    assert all(not told[number].failed for number in range(1, 5))


def test_workers_that_never_stay_alive_end_the_wait():
    found, _ = dispatcher(Script(), starts=lambda worker: (1.0, Gone(worker, "no device gpu7")))
    with pytest.raises(WorkersLost, match="every evaluator dies, the last by: no device gpu7"):
        answers(found, errors(1))


def test_a_worker_that_does_not_load_in_time_is_replaced():
    def starts(worker: str):
        return (math.inf if worker.endswith("-0") else 1.0), Ready(worker)

    found, fleet = dispatcher(Script(), 1, starts=starts)
    answers(found, errors(1))
    assert fleet.now() == Dispatcher.START_SECONDS + 2


def test_a_slow_job_is_attempted_elsewhere_and_the_first_answer_counts():
    script = Script(_0=[(30.0, 1.0), (1.0, 1.0)])
    found, fleet = warmed(script)
    begun = fleet.now()
    (told,) = answers(found, errors(1))
    assert (told.attempt, fleet.now() - begun) == (2, 2.5)  # slow at 1.5 s, then a second
    assert script.tried[0] == 2
    later = answers(found, errors(50, first=1))
    assert {a.number for a in later} == set(range(1, 51))  # the straggler's answer is no second one


def test_a_slow_job_goes_before_those_that_wait():
    script = Script(_0=[(30.0, 1.0), (1.0, 1.0)])
    found, _ = warmed(script)
    answers(found, errors(8))
    assert [job.number for _, job in script.asked[20:]].index(0, 1) == 3


def test_a_later_answer_that_disagrees_is_an_alarm():
    alarms: list[Disagreement] = []
    found, _ = warmed(Script(_0=[(30.0, 5.0), (1.0, 1.0)]), alarm=alarms.append)
    (first,) = answers(found, errors(1))
    answers(found, errors(60, first=1))
    (told,) = alarms
    assert (told.first, told.second.result.value) == (first, 5.0)


def test_nobody_waits_for_a_hedge_that_is_slower():
    found, fleet = warmed(Script(_0=[(4.0, 1.0), (90.0, 1.0)]))
    begun = fleet.now()
    (told,) = answers(found, errors(1))
    assert (told.attempt, fleet.now() - begun) == (1, 4.0)


def test_a_failure_does_not_count_while_another_attempt_is_under_way():
    found, _ = warmed(Script(_0=[(2.0, "ValueError: no"), (3.0, 1.0)]))
    (told,) = answers(found, errors(1))
    assert told.result == Estimate.exact(1.0)


@pytest.mark.parametrize("second", [(0.2, "dies"), (9.0, "dies")])
def test_an_attempt_that_dies_leaves_the_job_to_the_other(second):
    script = Script(_0=[(5.0, 1.0), second])
    found, _ = warmed(script)
    (told,) = answers(found, errors(1))
    assert told.result == Estimate.exact(1.0)
    answers(found, errors(20, first=1))
    assert script.tried[0] == 2


def test_a_lone_worker_s_slow_jobs_are_not_hedged():
    script = Script(_0=[(30.0, 1.0)])
    found, _ = warmed(script, size=1)
    answers(found, errors(5))
    assert script.tried[0] == 1


def test_an_answer_to_another_job_is_a_failure():
    def confused(worker: str, job: Job):
        return 1.0, answer(worker, Job(job.number + 1, job.genome, job.quantity))

    (told,) = answers(dispatcher(confused, 1)[0], errors(1))
    assert told.number == 0
    assert told.result.startswith("an answer to another job: Answer(number=1")


def test_workers_that_join_later_are_used():
    script = Script()
    found, fleet = dispatcher(script, 1)
    answers(found, errors(4))
    fleet.sizes["evaluator"] = 4
    answers(found, errors(12, first=4))
    assert fleet.now() == 4 + 12 / 4


def test_nothing_to_wait_for_is_a_mistake():
    with pytest.raises(RuntimeError, match="nothing was submitted"):
        dispatcher(Script())[0].next_answer()


@given(seed=st.integers(0, 2**32), size=st.integers(1, 8))
@settings(max_examples=60)
def test_whatever_dies_hangs_or_dawdles_every_job_has_one_answer(seed, size):
    rng = np.random.default_rng(seed)

    def chaos(worker: str, job: Job):
        draw, seconds = rng.random(), rng.exponential()
        if draw < 0.05:
            return seconds, Gone(worker, "shot")
        if draw < 0.08:
            return math.inf, Gone(worker, "hangs")
        if draw < 0.15:
            return 20 * seconds, answer(worker, job)
        return seconds, answer(worker, job)

    found, _ = dispatcher(chaos, size)
    jobs = errors(60)
    told = answers(found, jobs)
    assert sorted(a.number for a in told) == [job.number for job in jobs]
    assert sum(a.failed for a in told) <= 3


@pytest.mark.parametrize("workers", [8, 64])
def test_stragglers_hardly_idle_the_others(workers):
    """1 % of the jobs take ten times as long; a window of three jobs a worker must not wait."""
    rng = np.random.default_rng(0)

    def dawdling(worker: str, job: Job):
        seconds = max(0.1, rng.normal(1.0, 0.3)) * (10 if rng.random() < 0.01 else 1)
        return seconds, answer(worker, job)

    fleet = SimulatedFleet({"evaluator": workers}, dawdling)
    found = Dispatcher(fleet, lease_seconds=LEASE_S)
    count, window, committed, done = 60 * workers, 3 * workers, 0, set()
    for job in errors(window):
        found.submit(job)
    submitted = window
    while submitted < count:
        done.add(found.next_answer().number)
        while committed in done:
            committed += 1
            if submitted < count:
                found.submit(*errors(1, first=submitted))
                submitted += 1
    assert fleet.busy_seconds / (workers * fleet.now()) > 0.93


def test_a_worker_that_has_no_place_yet_is_waited_for_and_named():
    told: list[tuple[str, ...]] = []
    fleet = SimulatedFleet(
        {"evaluator": 1, "profiler": 1},
        Script(),
        starts=lambda worker: None if worker.startswith("profiler") else (1.0, Ready(worker)),
    )
    found = Dispatcher(fleet, lease_seconds=LEASE_S, missing=told.append)
    found.submit(Job(0, (1,), "latency_ms"))
    accuracies = answers(found, errors(40))
    assert sorted(a.number for a in accuracies) == list(range(40))  # accuracy goes on
    assert told == [("profiler",)]
    assert fleet.now() > Dispatcher.PLACE_SECONDS


def test_a_role_that_is_back_is_told_too():
    told: list[tuple[str, ...]] = []
    fleet = SimulatedFleet({"evaluator": 1, "profiler": 0}, Script())
    found = Dispatcher(fleet, lease_seconds=LEASE_S, missing=told.append)
    found.submit(Job(0, (1,), "latency_ms"))
    answers(found, errors(40))
    fleet.sizes["profiler"] = 1
    assert found.next_answer().quantity == "latency_ms"
    assert told == [("profiler",), ()]


def test_a_job_outlives_all_the_nodes_that_go_under_it():
    script = Script(_0=[(0.5, "node")] * 10)
    found, _ = dispatcher(script, 1)
    (told,) = answers(found, errors(1))
    assert not told.failed
    assert told.attempt == 11


def test_nobody_is_hired_for_workers_whose_node_has_left():
    script = Script(_0=[(0.5, "dies")], _1=[(0.5, "dies")])

    def shrinking(worker: str, job: Job):
        fleet.sizes["evaluator"] = 2
        return script(worker, job)

    fleet = SimulatedFleet({"evaluator": 4}, shrinking)
    found = Dispatcher(fleet, lease_seconds=LEASE_S)
    answers(found, errors(40))
    assert len({worker for worker, _ in script.asked}) == 4
    assert fleet.now() == 0.5 + 19 + 0.5  # two of them do what four began
