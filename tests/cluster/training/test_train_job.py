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
