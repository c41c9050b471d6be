"""What Prometheus gets to see of a search, by a real Ray's endpoint."""

import json
import re
import time
import urllib.request
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families

from secateur.actors.load import Load
from secateur.cluster.on_ray.metrics import COORDINATION, EVALUATIONS, HYPERVOLUME, LOAD, Volume
from secateur.cluster.run import launch
from secateur.search.candidate import Candidate, Estimate, Evaluation
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.indicators import hypervolume
from secateur.search.objective import Objective

DASHBOARD = Path(__file__).parents[3] / "cluster" / "deploy" / "grafana.json"
NAMES = {f"ray_{name}" for name, _ in (*LOAD.values(), HYPERVOLUME)} | {
    f"ray_{name}_total" for name, _ in (EVALUATIONS, COORDINATION)
}
CONFIG = {
    "network": {"training": {"epochs": 1}},
    "latency": {"seconds": 0.05},
    "search": {"evaluations": 8},
    "workers": {"evaluators": 1},
}
PATIENCE_S = 60.0

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by metric and our own labels."""


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A run on a Ray that outlives it, what was exported of it then, and how long it took."""
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024 * 1024,
        _system_config={"metrics_report_interval_ms": 500},
    )
    begun = time.monotonic()
    try:
        run = launch(CONFIG, tmp_path_factory.mktemp("runs") / "mine")
        elapsed_s = time.monotonic() - begun
        yield run, exported(until=len(run.results().members)), elapsed_s
    finally:
        ray.shutdown()


def exported(until: int) -> Series:
    """Ask the node for its metrics until it tells of so many evaluations, and nobody is busy."""
    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE_S:
        with urllib.request.urlopen(url, timeout=10) as answer:
            series = parsed(answer.read().decode())
        count = total(series, "ray_secateur_evaluations_total")
        if count >= until and total(series, "ray_secateur_busy_workers") == 0:
            return series
        time.sleep(0.5)
    raise AssertionError(f"no end of {until} evaluations within {PATIENCE_S} s, but {series}")


def parsed(text: str) -> Series:
    ours = {"run", "role", "origin", "outcome"}
    return {
        (
            sample.name,
            frozenset((k, v) for k, v in sample.labels.items() if k in ours),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("ray_secateur")
    }


def total(series: Series, name: str, **labels: str) -> float:
    """The sum over all series of a metric that have these labels."""
    return sum(
        value for (one, tags), value in series.items() if one == name and tags >= labels.items()
    )


def test_every_metric_is_exported_under_the_runs_name(searched):
    _, series, _ = searched
    assert {name for name, _ in series} == NAMES
    assert all(("run", "mine") in tags for _, tags in series)


def test_what_is_exported_is_what_the_run_tells(searched):
    run, series, _ = searched
    status = run.status()
    assert total(series, "ray_secateur_evaluations_total") == status["evaluations"] == 8
    assert total(series, "ray_secateur_evaluations_total", outcome="failed") == status["failures"]
    assert total(series, "ray_secateur_evaluations_total", origin="dense") == 1
    assert total(series, "ray_secateur_hypervolume") == pytest.approx(status["hypervolume"])
    assert status["hypervolume"] > 0


@pytest.mark.parametrize("role", ["evaluator", "profiler"])
def test_at_the_end_workers_are_ready_and_nothing_waits(searched, role):
    _, series, _ = searched
    now = {field: total(series, f"ray_{name}", role=role) for field, (name, _) in LOAD.items()}
    assert now["hired"] == now["ready"] == 1
    assert now["queued"] == now["busy"] == now["lost"] == now["disagreements"] == 0


def test_coordination_takes_time_and_not_all_of_it(searched):
    _, series, elapsed_s = searched
    assert 0 < total(series, "ray_secateur_coordination_seconds_total") < elapsed_s


def test_the_dashboard_shows_what_is_exported_and_nothing_else():
    board = json.loads(DASHBOARD.read_text())
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert set(re.findall(r"\bray_\w+", " ".join(shown))) == NAMES
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len(board["panels"])
    (run,) = (one for one in board["templating"]["list"] if one["name"] == "run")
    assert set(re.findall(r"\bray_\w+", run["query"])) <= NAMES
    assert all("$run" in expression for expression in shown)


def test_there_is_a_gauge_for_each_field_of_a_load():
    assert list(LOAD) == [field.name for field in fields(Load)]


GOALS = Goals(
    (Objective("error", relative=False), Objective("macs", relative=True)),
    (Constraint.parse("macs <= 0.9x"),),
)
DENSE = Evaluation(Candidate(0, (8,), "dense"), (Estimate.exact(0.1), Estimate.exact(200.0)))
PRUNED = [
    Evaluation(Candidate(number, (number,), "initial"), (Estimate.exact(e), Estimate.exact(m)))
    for number, (e, m) in enumerate([(0.2, 100.0), (0.15, 190.0), (0.3, 120.0), (0.4, 50.0)], 1)
]


@pytest.mark.parametrize("place", range(5))
def test_the_hypervolume_is_the_same_whenever_the_dense_network_comes(place):
    volume = Volume(GOALS)
    order = [*PRUNED[:place], DENSE, *PRUNED[place:]]
    told = [volume.with_one_more(outcome) for outcome in order]
    feasible = np.array([(0.2, 0.5), (0.3, 0.6), (0.4, 0.25)])
    assert told[:place] == [0.0] * place
    assert told == sorted(told)
    assert told[-1] == pytest.approx(hypervolume(feasible))
