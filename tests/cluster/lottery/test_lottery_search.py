"""The search over what each round removes: alike for any number of workers, and gone on with."""

import json
from itertools import product
from pathlib import Path
from statistics import fmean
from unittest.mock import Mock

import numpy as np
import pytest

import secateur
from command_line import run
from secateur.cluster.lottery import genomes, lottery_search
from secateur.cluster.lottery.candidates import (
    Found,
    every_asked,
    every_found,
    every_lost,
    found_of,
    write_asked,
)
from secateur.cluster.lottery.genomes import left_of, space_of
from secateur.cluster.lottery.graph_record import GraphRecord
from secateur.cluster.lottery.lottery_search import steps_of, work
from secateur.cluster.lottery.ticket_export import hand_out
from secateur.cluster.settings.graph_config import GraphConfig, check_graph_config, settled
from secateur.cluster.storage.journal import Journal
from secateur.methods.icpg.rounds import Kept, Lottery, Plan, Step
from secateur.search.candidate import Candidate
from wheels import wheels

CONFIG = {
    "name": "searched",
    "data": {"name": "wheels:task"},
    "network": {"hidden": 8, "layers": 1},
    "masker": {"hidden": 4, "layers": 1, "learning_rate": 0.01},
    "training": {"epochs": 3, "learning_rate": 0.01, "batch": 16},
    "icpg": {"rounds": 2, "folds": 5, "use": 2},
    "search": {"evaluations": 12, "population": 4, "window": 3},
}


def config(**search) -> GraphConfig:
    values = CONFIG | {"search": CONFIG["search"] | search}
    return settled(check_graph_config(values, source="x.yaml"), "graph")


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    """What one worker alone has found."""
    folder = tmp_path_factory.mktemp("searched")
    work(config(), wheels(lonely=True), folder, rank=0, workers=1)
    return folder


def compared(folder: Path) -> list[tuple]:
    """What is known of candidates, but for the time it took."""
    return [
        (
            one.number,
            one.genome,
            one.origin,
            one.error,
            one.edges,
            one.weights,
            one.scores,
            one.validation,
            one.best_test,
        )
        for one in every_found(folder)
    ]


def test_the_dense_network_comes_first_and_nothing_twice(searched):
    found = every_found(searched)
    assert [one.number for one in found] == list(range(12))
    assert found[0].genome == space_of(2).dense
    assert (found[0].edges, found[0].weights) == (1.0, 1.0)
    assert len({one.genome for one in found}) == 12
    assert {"initial", "local search", "variation", "random move"} & {one.origin for one in found}


def test_what_is_left_is_what_the_genome_says(searched):
    for one in every_found(searched)[1:]:
        row = np.array([one.genome])
        assert one.weights == pytest.approx(left_of(row, "weights")[0], abs=5e-3)
        assert one.edges == pytest.approx(left_of(row, "edges")[0], abs=0.03)
        assert one.error.value == pytest.approx(1 - sum(one.validation) / 2)
        assert all(best >= score for best, score in zip(one.best_test, one.scores, strict=True))
        assert one.error.low <= one.error.value <= one.error.high


def test_a_job_of_two_workers_finds_the_same_as_one(searched, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    asked = config().model_dump(mode="json") | {"training": CONFIG["training"] | {"workers": 2}}
    (tmp_path / "asked.yaml").write_text(json.dumps(asked))
    run("train", "icpg", tmp_path / "asked.yaml", "--run", tmp_path / "run")
    assert compared(tmp_path / "run") == compared(searched)
    assert secateur.open_training(tmp_path / "run").state == "complete"


def test_a_search_goes_on_and_does_nothing_again(searched, tmp_path):
    work(config(evaluations=5), wheels(lonely=True), tmp_path, rank=0, workers=1)
    kept = {one.number: one for one in every_found(tmp_path)}
    assert len(kept) == 5
    work(config(), wheels(lonely=True), tmp_path, rank=0, workers=1)
    assert all(found_of(tmp_path, number) == one for number, one in kept.items())
    assert compared(tmp_path) == compared(searched)


@pytest.mark.parametrize("algorithm", ["random", "nsga2"])
def test_other_algorithms_search_as_well(tmp_path, algorithm):
    work(config(algorithm=algorithm, evaluations=6), wheels(), tmp_path, rank=0, workers=1)
    assert len(every_found(tmp_path)) == 6


def test_a_candidate_that_diverges_is_lost_and_the_search_goes_on(tmp_path, monkeypatch):
    play = Lottery.play

    def diverging(self: Lottery, kept: Kept):
        if kept.weights_gone > 0.5:
            raise FloatingPointError("the loss is not finite")
        return play(self, kept)

    monkeypatch.setattr(Lottery, "play", diverging)
    work(config(evaluations=8), wheels(), tmp_path, rank=0, workers=1)
    lost = every_lost(tmp_path)
    assert lost
    assert {one.reason for one in lost} == {"the loss is not finite"}
    assert len(lost) + len(every_found(tmp_path)) == 8


def test_a_search_without_a_dense_network_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(Lottery, "play", Mock(side_effect=FloatingPointError("not finite")))
    work(config(), wheels(), tmp_path, rank=0, workers=1)
    assert [one.number for one in every_lost(tmp_path)] == [0]


def test_nobody_waits_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(lottery_search, "PATIENCE_S", 0.0)
    with pytest.raises(TimeoutError, match="candidate 1 must be asked for within 0 h"):
        work(config(), wheels(), tmp_path, rank=1, workers=2)


def test_what_was_asked_for_is_recalled_and_not_bred_again(tmp_path):
    work(config(evaluations=4), wheels(), tmp_path, rank=0, workers=1)
    kept = every_asked(tmp_path)
    (tmp_path / "candidates" / "0003.json").unlink()  # asked for, and its worker died
    work(config(evaluations=6, seed=5), wheels(), tmp_path, rank=0, workers=1)
    assert every_asked(tmp_path)[:4] == kept
    assert [one.genome for one in every_found(tmp_path)][:4] == [one.genome for one in kept]


def test_a_worker_evaluates_what_the_first_one_asks_for(tmp_path):
    for candidate in by_chance(4):
        write_asked(tmp_path, candidate)
    work(config(evaluations=4), wheels(), tmp_path, rank=1, workers=2)
    assert [one.number for one in every_found(tmp_path)] == [1, 3]


def by_chance(count: int) -> list[Candidate]:
    draws = np.random.default_rng(0)
    return [Candidate(number, space_of(2).random(draws), "initial") for number in range(count)]


def test_folds_that_were_played_are_not_played_again(tmp_path, monkeypatch):
    played, real = [], Lottery.play

    def dying(self: Lottery, kept: Kept):
        if len(played) == 3:  # one fold of candidate 1
            played.append(None)
            raise KeyboardInterrupt
        played.append(self.seed)
        return real(self, kept)

    monkeypatch.setattr(Lottery, "play", dying)
    with pytest.raises(KeyboardInterrupt):
        work(config(evaluations=2), wheels(), tmp_path, rank=0, workers=1)
    work(config(evaluations=2), wheels(), tmp_path, rank=0, workers=1)
    assert played == [0, 1, 0, None, 1]  # folds
    assert [one.number for one in every_found(tmp_path)] == [0, 1]


def test_a_space_that_is_searched_through_ends_the_search(tmp_path, monkeypatch):
    monkeypatch.setattr(genomes, "FEWEST_EDGES", 19)
    monkeypatch.setattr(genomes, "FEWEST_WEIGHTS", 10)
    small = config().model_copy(update={"icpg": config().icpg.model_copy(update={"rounds": 1})})
    work(small, wheels(), tmp_path, rank=0, workers=1)
    assert len(every_found(tmp_path)) == 2
    work(small, wheels(), tmp_path, rank=2, workers=3)  # waits for no third one


def test_candidates_of_another_search_are_refused(tmp_path):
    work(config(evaluations=3), wheels(), tmp_path, rank=0, workers=1)
    path = tmp_path / "candidates" / "0001.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"genome": [10] * 4}))
    with pytest.raises(ValueError, match="holds another candidate 1: was the run begun by another"):
        work(config(), wheels(), tmp_path, rank=0, workers=1)


def test_one_plan_is_one_genome():
    assert steps_of((15, 8, 20, 10)) == (Step(0.25, 1 - 8 / 10), Step(0.0, 0.0))
    space = space_of(1)
    genomes = np.array(list(product(*space.choices)))
    assert len({steps_of(genome) for genome in genomes.tolist()}) == len(genomes) == space.size
    genomes = np.array([[15, 8, 20, 10]])
    plan = Plan(steps_of(genomes[0].tolist()), "nominal", "directed")
    assert left_of(genomes, "edges")[0] == pytest.approx(plan.edges_left(2)) == 0.75
    assert left_of(genomes, "weights")[0] == pytest.approx(plan.weights_left(2)) == 0.8


def test_what_it_found_is_a_front_whose_networks_are_handed_out(searched):
    facts = {"config": config().model_dump(mode="json"), "method": "icpg"}
    record = GraphRecord(searched, Journal.create(searched, facts))
    with record.journal.held():
        hand_out(record, wheels(lonely=True))
    found = record.tickets()
    assert len(found.tickets) == 11
    assert all(one.time is not None for one in found.tickets)
    for one in found.tickets:
        steps = steps_of(found_of(searched, one.round).genome)
        assert (one.thinning.value > 0) == any(step.edges for step in steps)
    for one in found.tickets:
        plan = Plan(steps_of(found_of(searched, one.round).genome), "nominal", "directed")
        assert one.nominal_edges == pytest.approx(1 - plan.edges_left(2))
        assert one.nominal_weights == pytest.approx(1 - plan.weights_left(2))
        assert one.best_test == pytest.approx(fmean(found_of(searched, one.round).best_test))
    assert {one.round for one in found.front} <= {one.round for one in found.winning}
    assert found.best.validation == max(one.validation for one in found.tickets)
    best: Found = found_of(searched, found.best.round)
    network, transform = secateur.load(searched / "tickets" / "best")
    card = json.loads((searched / "tickets" / "best" / "model.json").read_text())
    assert tuple(Step(**step) for step in card["ticket"]["plan"]["steps"]) == steps_of(best.genome)
    assert len(transform.maskers) == sum(step.edges > 0 for step in steps_of(best.genome))
    assert card["score"] == best.scores[0]
    assert not network.training
    assert "Candidate" in (searched / "report.html").read_text()
