import os

import pytest

from secateur.actors.job import Job
from secateur.actors.worker import Worker
from secateur.search.candidate import Estimate

JOB = Job(3, (8, 8), "latency_ms")


def test_a_worker_loads_once_and_answers_many():
    loaded = []

    def load():
        loaded.append(True)
        return lambda job: Estimate.exact(sum(job.genome))

    worker = Worker("profiler-0", load)
    answers = [worker.measure(JOB), worker.measure(JOB)]
    assert loaded == [True]
    for answer in answers:
        assert (answer.number, answer.quantity, answer.worker) == (3, "latency_ms", "profiler-0")
        assert answer.result == Estimate.exact(16)
        assert answer.seconds >= 0
        assert not answer.failed


def test_running_out_of_memory_is_an_answer_and_a_bug_is_not():
    def measure(job: Job) -> Estimate:
        raise MemoryError("3 GiB") if job.genome == (8, 8) else KeyError("bug")

    worker = Worker("evaluator-0", lambda: measure)
    assert worker.measure(JOB).result == "out of memory: 3 GiB"
    with pytest.raises(KeyError, match="bug"):
        worker.measure(Job(4, (1,), "error"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin cores")
def test_a_worker_keeps_to_its_cores():
    before = os.sched_getaffinity(0)
    try:
        Worker("profiler-0", lambda: lambda _: Estimate.exact(0), [min(before)])
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)
