"""One contract over the fleet on Ray and its twin in this process, then what Ray adds."""

import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.exceptions import OutOfMemoryError

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Crew, LocalFleet, WorkersLost
from secateur.actors.job import Answer, Job
from secateur.actors.ray_fleet import RayFleet
from secateur.search.candidate import Estimate


def load_scale(payload):
    """Measure the sum of the widths times the payload."""

    def measure(job: Job) -> Estimate:
        if job.genome == (13,):
            raise MemoryError("13 is too much")
        if job.genome == (99,):
            raise TypeError("no such width")
        if job.genome == (77,):
            return Estimate.exact(math.nan)
        if job.genome == (66,):
            return np.array([0.1, 0.2])
        return Estimate.exact(payload * sum(job.genome))

    return measure


def load_flaky(folder):
    """Die or hang the first time a job of that width comes, anywhere; then measure."""

    def measure(job: Job) -> Estimate:
        marker = Path(folder) / f"{job.genome[0]}-{len(os.listdir(folder))}"
        tried = len([n for n in os.listdir(folder) if n.startswith(f"{job.genome[0]}-")])
        if job.genome[0] == 1 and tried == 0:
            marker.touch()
            os._exit(1)
        if job.genome[0] == 2 and tried == 0:
            marker.touch()
            time.sleep(600)
        if job.genome[0] == 3:
            os._exit(1)
        return Estimate.exact(float(job.genome[0]))

    return measure


def load_broken(payload):
    """Fail to start."""
    raise OSError(f"no device called {payload}")


@pytest.fixture(scope="module")
def local_ray():
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024 * 1024,
    )
    yield
    ray.shutdown()


def answers(dispatcher, count):
    return {a.number: a for a in (dispatcher.next_answer() for _ in range(count))}


@pytest.fixture
def on_ray(local_ray):  # noqa: ARG001 - Ray must be up
    made = []

    def make(crews, lease_seconds=60.0):
        made.append(Dispatcher(RayFleet(crews), lease_seconds=lease_seconds))
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.close()


@pytest.fixture(params=["local", "ray"])
def dispatcher(request):
    crews = {"evaluator": Crew(2, load_scale, 2.0), "profiler": Crew(1, load_scale, 10.0)}
    if request.param == "local":
        return Dispatcher(LocalFleet(crews), lease_seconds=60.0)
    return request.getfixturevalue("on_ray")(crews)


def test_every_job_is_answered_once_by_the_right_kind_of_worker(dispatcher):
    for number in range(10):
        dispatcher.submit(Job(number, (number + 1,), "error"))
        dispatcher.submit(Job(number, (number + 1,), "latency_ms"))
    found = [dispatcher.next_answer() for _ in range(20)]
    assert {(a.number, a.quantity): a.result.value for a in found} == {
        (number, quantity): scale * (number + 1)
        for number in range(10)
        for quantity, scale in (("error", 2.0), ("latency_ms", 10.0))
    }
    assert all(("profiler" in a.worker) == (a.quantity == "latency_ms") for a in found)


def test_running_out_of_memory_is_an_answer(dispatcher):
    dispatcher.submit(Job(5, (13,), "error"))
    answer = dispatcher.next_answer()
    assert answer.failed
    assert answer.result == "out of memory: 13 is too much"


@pytest.mark.parametrize(
    ("width", "reason"),
    [
        (99, "TypeError: no such width"),
        (77, "ValueError: an estimate must be finite, got nan"),
        (
            66,
            "TypeError: a measurement must return an Estimate or a Reading, got array([0.1, 0.2])",
        ),
    ],
)
def test_a_bug_in_a_measurement_is_an_answer_and_the_worker_goes_on(dispatcher, width, reason):
    dispatcher.submit(Job(1, (width,), "error"))
    assert dispatcher.next_answer().result.startswith(reason)
    dispatcher.submit(Job(2, (1,), "error"))
    assert dispatcher.next_answer().result == Estimate.exact(2.0)


def test_the_job_of_a_worker_that_dies_is_done_by_another(on_ray, tmp_path):
    dispatcher = on_ray({"evaluator": Crew(1, load_flaky, str(tmp_path))})
    dispatcher.submit(Job(0, (1,), "error"))
    dispatcher.submit(Job(1, (7,), "error"))
    found = answers(dispatcher, 2)
    assert found[0].result == Estimate.exact(1.0)
    assert found[0].attempt == 2
    assert found[1].attempt == 1


def test_a_worker_that_hangs_loses_its_lease(on_ray, tmp_path):
    dispatcher = on_ray({"evaluator": Crew(1, load_flaky, str(tmp_path))}, lease_seconds=8.0)
    dispatcher.submit(Job(0, (2,), "error"))
    answer = dispatcher.next_answer()
    assert answer.result == Estimate.exact(2.0)
    assert answer.attempt == 2


def test_a_job_that_kills_every_worker_is_given_up_with_the_reason(on_ray, tmp_path):
    dispatcher = on_ray({"evaluator": Crew(1, load_flaky, str(tmp_path))})
    dispatcher.submit(Job(0, (3,), "error"))
    dispatcher.submit(Job(1, (8,), "error"))
    found = answers(dispatcher, 2)
    assert found[0].failed
    assert found[0].result.startswith("lost 3 workers, the last by: ")
    assert found[1].result == Estimate.exact(8.0)


def test_a_worker_that_ray_ends_for_want_of_memory_is_replaced(on_ray, monkeypatch):
    dispatcher, get, ended = on_ray({"evaluator": Crew(1, load_scale, 2.0)}), ray.get, []

    def ends_the_first_job(reference):
        found = get(reference)
        if isinstance(found, Answer) and not ended:
            ended.append(found.worker)
            raise OutOfMemoryError("Task was killed due to the node running low on memory.")
        return found

    monkeypatch.setattr(ray, "get", ends_the_first_job)
    dispatcher.submit(Job(0, (7,), "error"))
    answer = dispatcher.next_answer()
    assert answer.result == Estimate.exact(14.0)
    assert answer.attempt == 2
    assert answer.worker not in ended


def test_where_nobody_is_asked_a_wait_takes_its_time():
    fleet = RayFleet({})
    until = fleet.now() + 0.2
    assert fleet.wait(until) == []
    assert fleet.now() >= until


def test_workers_that_cannot_start_end_the_wait_with_the_reason(on_ray):
    dispatcher = on_ray({"evaluator": Crew(1, load_broken, "gpu7")})
    for number in range(4):
        dispatcher.submit(Job(number, (1,), "error"))
    with pytest.raises(WorkersLost, match=r"every evaluator dies, the last by: .*gpu7"):
        answers(dispatcher, 4)
