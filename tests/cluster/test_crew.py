import os
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from secateur.actors.cores import confined
from secateur.cluster import crew
from secateur.cluster.settings.checked import ConfigError
from secateur.cluster.settings.config import check_config


@pytest.fixture
def hired(monkeypatch):
    """Hire for a run with the config's defaults; what is asked of Ray is kept, not done."""
    hired = SimpleNamespace(crews={}, said=[], cpus=0)

    def ray_at(_address, *, cpus):
        hired.cpus = cpus
        return nullcontext()

    monkeypatch.setattr(crew, "ray_at", ray_at)
    monkeypatch.setattr(crew, "RayFleet", hired.crews.update)
    monkeypatch.setattr(crew, "Dispatcher", MagicMock())
    config = check_config({}, source="test")
    run = SimpleNamespace(config=config, dense_latency=lambda _: None)
    watcher = SimpleNamespace(say=hired.said.append)

    def hire():
        with crew.workers(run, MagicMock(config=config), watcher, None):
            return hired

    return hire


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin cores")
def test_a_process_of_one_core_has_one_evaluator_that_shares_it_with_the_profiler(hired):
    with confined(frozenset([min(os.sched_getaffinity(0))])):
        found = hired()
    assert found.crews["evaluator"].size == 1
    assert any("shares its core" in text for text in found.said)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="this machine has one core",
)
def test_the_profiler_has_a_core_of_its_own_where_there_are_two(hired):
    with confined(frozenset(sorted(os.sched_getaffinity(0))[:2])):
        found = hired()
    assert found.crews["evaluator"].size == 1
    assert found.cpus == 2
    assert not found.crews["evaluator"].cores & found.crews["profiler"].cores
    assert not any("shares" in text for text in found.said)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": {"profiler": "board"}}, "latency_ms is measured on the node board of a clust"),
        (
            {
                "targets": {"phone": {"profiler": "phone"}},
                "objectives": ["error", "latency_ms@phone"],
            },
            "latency_ms@phone is measured on the node phone of a cluster: give its --address",
        ),
        ({"workers": {"gpus": 0.5}}, "evaluators get 0.5 of a GPU each, and this machine has none"),
    ],
)
def test_what_only_a_cluster_has_is_not_waited_for_on_one_machine(settings, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = check_config(settings, source="test")
    with pytest.raises(ConfigError, match=message):
        crew.require_workers(config, None)
    crew.require_workers(config, "10.0.0.1:6379")
