"""How a job is sized, before any worker is there."""

from types import SimpleNamespace

import pytest
import ray

from secateur.cluster.training import train_job
from secateur.cluster.training.train_job import Scale


def test_no_more_workers_are_needed_than_there_is_work_for():
    assert Scale.of(2, 4, 1, gpu=False, section="training").least == 2
    assert Scale.of(2, 1, 1, gpu=False, section="training").least == 1
    assert Scale.of(2, None, 1, gpu=False, section="training").least == 2


@pytest.mark.parametrize(
    ("workers", "gpu", "threads"),
    [(1, False, 16), (2, False, 8), (3, False, 6), (9, False, 2), (40, False, 1), (2, True, 8)],
)
def test_the_cores_of_all_nodes_are_shared(monkeypatch, workers, gpu, threads):
    nodes = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 6.0}, {"memory": 1.0}]
    monkeypatch.setattr(train_job, "node_resources", lambda: nodes)
    assert Scale.of(workers, None, "auto", gpu=gpu, section="finetune").threads == threads
    assert Scale.of(workers, None, 3, gpu=gpu, section="finetune").threads == 3


def test_there_is_room_for_whole_workers_only(monkeypatch):
    monkeypatch.setattr(train_job, "node_resources", lambda: [{"CPU": 16.0}, {"CPU": 6.0}])
    assert train_job.places(4) == 5
    assert train_job.places(32) == 0


def test_what_is_missing_is_said_with_the_keys_of_its_section(monkeypatch):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(train_job, "JOINING_SECONDS", 0.0)
    scale = Scale.of(3, None, 1, gpu=False, section="training")
    message = "3 workers need 3 CPUs, Ray has 2: choose fewer training.workers, training.least_wo"
    with pytest.raises(ValueError, match=message):
        train_job._require_room(scale)


def test_nodes_that_share_no_folder_are_told_so():
    cause = RuntimeError("Unable to set up cluster storage with the following settings:\nMany\nSee")
    nested = SimpleNamespace(worker_failures={}, controller_failure=SimpleNamespace(cause=cause))
    said = train_job._reason(nested)
    assert said.startswith("the workers' nodes do not see the run's folder: give a folder that all")
