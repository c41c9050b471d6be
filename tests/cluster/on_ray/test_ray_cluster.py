import pytest
import ray

from secateur.cluster.on_ray.ray_cluster import STARTS, ray_at

BUSY = Exception("The current node timed out during startup. This could happen because ...")


class Starting:
    """What stands for `ray.init`: fails so often, in such a way."""

    def __init__(self, failures: int, error: Exception = BUSY) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self, **_: object) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error


@pytest.fixture
def starting(monkeypatch):
    def put(made: Starting) -> Starting:
        monkeypatch.setattr(ray, "init", made)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        return made

    return put


def test_a_busy_machine_is_given_another_chance(starting):
    made = starting(Starting(STARTS - 1))
    with ray_at(None, cpus=1):
        assert made.calls == STARTS


def test_a_machine_that_stays_busy_is_told_of_in_a_line(starting):
    starting(Starting(STARTS))
    with pytest.raises(RuntimeError, match="within 30 seconds, 2 times: the machine is busy; call"):
        ray_at(None, cpus=1).__enter__()


def test_any_other_failure_is_told_at_once(starting):
    made = starting(Starting(1, OSError("no room on the device")))
    with pytest.raises(OSError, match="no room"):
        ray_at(None, cpus=1).__enter__()
    assert made.calls == 1
