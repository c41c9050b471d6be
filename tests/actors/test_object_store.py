"""What workers load is larger than Ray's object store, with room on the disk and without."""

import numpy as np
import pytest
import ray

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Crew, WorkersLost
from secateur.actors.job import Job
from secateur.actors.ray_fleet import RayFleet
from secateur.search.candidate import Estimate

STORE, LARGER = 80 * 2**20, 120 * 2**20


def load_sum(payload):
    """Measure what the payload adds up to."""
    total = float(payload.sum())
    return lambda _: Estimate.exact(total)


@pytest.fixture
def full_store(request):
    """A Ray whose disk counts as full from some share of it on."""
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=STORE,
        _system_config={"local_fs_capacity_threshold": request.param},
    )
    yield {"evaluator": Crew(1, load_sum, np.ones(LARGER, dtype=np.uint8))}
    ray.shutdown()


@pytest.mark.parametrize("full_store", [0.99], indirect=True)
def test_a_full_object_store_goes_on_on_the_disk(full_store):
    dispatcher = Dispatcher(RayFleet(full_store), lease_seconds=60.0)
    dispatcher.submit(Job(0, (1,), "error"))
    assert dispatcher.next_answer().result == Estimate.exact(float(LARGER))
    dispatcher.close()


@pytest.mark.parametrize("full_store", [0.0], indirect=True)
def test_a_full_disk_beside_it_is_named(full_store):
    with pytest.raises(WorkersLost, match="no room for what every evaluator loads: Ray's object"):
        RayFleet(full_store)
