"""What a run's folder tells, from a journal that is written by hand."""

from pathlib import Path

import numpy as np
import pytest

from secateur.actors.job import Answer
from secateur.cluster.runs.judging import fastest
from secateur.cluster.runs.readings import CONSTRAINTS
from secateur.cluster.runs.record import Record
from secateur.cluster.runs.results import Member
from secateur.cluster.settings.config import check_config
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.candidate import Candidate, Estimate, Forecast

NETWORKS = {  # error, MACs, parameters
    (8, 8): (0.1, 100, 50),
    (4, 8): (0.2, 60, 30),
    (8, 4): (0.3, 80, 20),
    (4, 4): (0.4, 40, 10),
}


def written(folder: Path, **options) -> Record:
    config = check_config({"objectives": ["error", "macs"], **options}, source="test")
    journal = Journal.create(
        folder, {"config": config.model_dump(mode="json"), "groups": ["a", "b"]}
    )
    for number, (genome, (error, macs, params)) in enumerate(NETWORKS.items()):
        count = len(config.quantities)
        forecast = Forecast((0.2,) * count, (0.7, 1.0, 1.0)[:count]) if number == 3 else None
        origin = "local search" if forecast else "initial" if number else "dense"
        genes = genome if "pruning" not in options else (*genome, 0, int(genome[1] < 8))
        candidate = Candidate(number, genes, origin, forecast)
        journal.asked(candidate, Cost(macs=macs, params=params, memory_bytes=4 * params))
        journal.answered(Answer(number, "error", Estimate.exact(error), "w", 1.0))
    journal.close()
    return Record(folder)


def test_the_front_holds_what_is_not_dominated(tmp_path):
    results = written(tmp_path).results()
    assert [member.id for member in results.front] == [3, 1, 0]
    assert results.infeasible == 0


@pytest.mark.parametrize(
    ("constraint", "ids"),
    [
        ("macs <= 0.6x", [3, 1]),
        ("macs <= 80", [3, 1]),
        ("error <= 0.2", [1, 0]),
        ("params <= 0.5x", [3, 2]),
    ],
)
def test_with_constraints_it_holds_what_keeps_them(tmp_path, constraint, ids):
    results = written(tmp_path, constraints=[constraint]).results()
    assert [member.id for member in results.front] == ids
    assert results.infeasible > 0
    assert set(results.picks.values()) <= set(ids)
    assert list(results.front[0].objectives) == ["error", "macs"]


def test_where_nothing_keeps_them_the_front_is_what_comes_nearest(tmp_path):
    record = written(tmp_path, constraints=["macs <= 0.01x"])
    results = record.results()
    assert [member.id for member in results.front] == [3]
    assert results.infeasible == len(NETWORKS)
    assert set(results.picks.values()) == {3}
    assert record.status()["hypervolume"] == 0.0


def test_only_what_keeps_the_constraints_earns_hypervolume(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    free = written(tmp_path / "one").results().hypervolumes
    bound = written(tmp_path / "other", constraints=["macs <= 0.6x"]).results().hypervolumes
    assert bound[0] == 0.0 < free[0]
    assert bound[-1] < free[-1]


def test_a_member_names_the_criteria_that_it_chose(tmp_path):
    results = written(tmp_path, pruning={"criterion": ["l2", "fpgm"]}).results()
    assert results.members[2].widths == (8, 4)
    assert results.members[2].criteria == ("l2", "fpgm")
    assert results.members[2].as_json()["criteria"] == ["l2", "fpgm"]
    assert "criteria" not in written_plain(tmp_path / "plain").members[2].as_json()


def written_plain(folder: Path):
    folder.mkdir()
    return written(folder).results()


def test_what_surrogates_were_worth_is_told_where_they_chose(tmp_path):
    assert written(tmp_path).results().agreement == ((3, {"error": 0.7, "macs": 1.0}),)


@pytest.mark.parametrize("algorithm", ["hamp", "nsga2"])
def test_the_population_of_any_moment_is_told(tmp_path, algorithm):
    record = written(tmp_path, search={"algorithm": algorithm, "population": 2})
    told = {at: sorted(m.id for m in record.population(at)) for at in (1, 2, 3, 4)}
    assert told[2] == [0, 1]
    assert told[3] == [0, 1]  # network 2 is dominated; NSGA-II is in its second generation
    assert len(told[4]) == 2
    assert told[1] == ([0] if algorithm == "hamp" else [])
    assert record.status(at=3)["population"] == [member.id for member in record.population(3)]
    assert record.status(at=3)["evaluations"] == 3
    assert record.status(at=3)["hypervolume"] < record.status()["hypervolume"]
    assert "population" not in record.status()


def test_a_search_without_a_population_goes_on_from_everything(tmp_path):
    record = written(tmp_path, search={"algorithm": "random"})
    assert [member.id for member in record.population(3)] == [0, 1, 2]


def test_who_was_spared_counts_at_its_moment_and_is_no_failure(tmp_path):
    record = written(tmp_path, constraints=["macs <= 0.6x"])
    record.journal.asked(Candidate(4, (8, 2), "variation"), Cost(90, 20, 80))
    record.journal.answered(Answer(4, "error", "not measured", CONSTRAINTS, 0.0))
    now, before = record.status(), record.status(at=4)
    assert (now["spared"], now["failures"]) == (1, 0)
    assert (before["spared"], before["failures"]) == (0, 0)
    assert (record.results().spared, record.results().failures) == (1, 0)


def test_the_fastest_is_the_best_of_those_that_cannot_be_told_from_it():
    def member(number: int, error: float, latency: float) -> Member:
        timed = Estimate(latency, 0.98 * latency, 1.02 * latency)
        objectives = {"error": Estimate.exact(error), "latency_ms": timed}
        return Member(number, objectives, macs=1, params=1, genome=(1,), origin="variation")

    members = [member(0, 0.48, 1.00), member(1, 0.10, 1.03), member(2, 0.05, 1.10)]
    points = np.array([[0.48, 1.00], [0.10, 1.03], [0.05, 1.10]])
    assert fastest(members, points, ties=True) == 1
    assert fastest(members, points, ties=False) == 0
