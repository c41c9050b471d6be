"""Maskers of one lottery that choose edges for another network, and for graphs they never saw."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from secateur.cluster.lottery.drawn import Drawn
from secateur.cluster.lottery.graph_record import MASKERS_REMOVE, GraphRecord
from secateur.cluster.lottery.lottery import lottery_of, masker_of, plan_of, splits_of
from secateur.cluster.lottery.rounds import Row, Unit
from secateur.cluster.lottery.stages import draw_all
from secateur.cluster.lottery.transfer import Transfer
from secateur.cluster.runs.record import METHOD
from secateur.cluster.settings.checked import ConfigError
from secateur.cluster.settings.graph_config import GraphConfig, check_graph_config, settled
from secateur.cluster.storage.journal import Journal
from secateur.methods.icpg.task import Task
from secateur.methods.icpg.ticket import thinned
from wheels import wheels

CONFIG = {
    "name": "given",
    "data": {"name": "wheels:task"},
    "network": {"hidden": 8, "layers": 1},
    "masker": {"hidden": 4, "layers": 1, "learning_rate": 0.01},
    "training": {"epochs": 2, "learning_rate": 0.01, "batch": 16},
    "icpg": {"rounds": 3, "folds": 5, "use": 2, "edges": 0.2, "variants": ["icpg"]},
}
SECOND = Unit(0, 1, "icpg")


def config(**sections) -> GraphConfig:
    values = {name: CONFIG[name] | sections.get(name, {}) for name in CONFIG if name != "name"}
    return settled(check_graph_config(values, source="x.yaml"), "graph")


def borrowing(path: Path, **sections) -> GraphConfig:
    """A configuration whose edges the maskers of a run choose."""
    icpg = {"variants": ["transfer"], "maskers_of": str(path)} | sections.pop("icpg", {})
    return config(icpg=icpg, **sections)


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A run that has drawn three rounds of two folds."""
    path = tmp_path_factory.mktemp("given")
    with Journal.create(path, {"config": config().model_dump(mode="json"), METHOD: "icpg"}).held():
        task = wheels(lonely=True)
        splits = splits_of(config(), task)
        for fold in (0, 1):
            unit = Unit(0, fold, "icpg")
            lottery = lottery_of(config(), task, splits[fold], unit, plan_of(config(), "icpg"))
            draw_all(lottery, lottery.draw, Drawn(path, unit), 3)
    return path


def drawn_by(transfer: Transfer, mine: GraphConfig, task: Task, unit: Unit) -> list:
    """What each round keeps."""
    split = splits_of(mine, task)[unit.fold]
    kept = lottery_of(mine, task, split, unit, plan_of(mine, "transfer")).begin()
    rounds = []
    for _ in range(mine.icpg.rounds):
        kept, masker = transfer.draw(kept)
        assert masker is None
        rounds.append(kept)
    return rounds


def test_another_network_on_the_same_graphs_gets_the_edges_of_the_same_fold(given):
    mine, task = borrowing(given, network={"kind": "gin"}), wheels(lonely=True)
    rounds = drawn_by(Transfer(mine, task, SECOND), mine, task, SECOND)
    for kept in rounds:
        theirs = Drawn(given, SECOND).kept(kept.round)[0]
        assert torch.equal(kept.edges, theirs.edges)
        assert kept.weights_gone == 0
        assert theirs.weights_gone > 0
    first = Drawn(given, Unit(0, 0, "icpg")).kept(3)[0]
    assert not torch.equal(rounds[-1].edges, first.edges)


def test_other_graphs_are_thinned_by_each_rounds_masker_in_turn(given):
    mine, task = borrowing(given, data={"name": "wheels:others"}), wheels(31)
    unit = Unit(0, 0, "transfer")
    rounds = drawn_by(Transfer(mine, task, unit), mine, task, unit)
    maskers = {}
    for number in (1, 2, 3):
        maskers[number] = masker_of(config(), task)()
        maskers[number].load_state_dict(Drawn(given, Unit(0, 0, "icpg")).kept(number)[1])
    plan = plan_of(config(), "icpg")
    for kept in rounds:
        so_far = {number: one for number, one in maskers.items() if number <= kept.round}
        assert torch.equal(kept.edges, thinned(task.graphs, so_far, plan))
    counts = torch.bincount(task.graphs.edge_graphs[rounds[-1].edges], minlength=31)
    assert counts.tolist() == torch.round(task.graphs.edge_ends.diff() * 0.8**3).tolist()


@pytest.mark.parametrize(
    ("icpg", "fold"), [({"use": 1}, 0), ({"seeds": [0, 3]}, 1), ({"seeds": [3]}, 1)]
)
def test_the_same_fold_chooses_whichever_folds_and_seeds_are_run(given, icpg, fold):
    mine, task = borrowing(given, icpg=icpg), wheels(lonely=True)
    unit = Unit(mine.icpg.seeds[-1], fold, "transfer")
    kept = drawn_by(Transfer(mine, task, unit), mine, task, unit)[-1]
    theirs = Drawn(given, Unit(0, fold, "icpg")).kept(3)[0]
    assert torch.equal(kept.edges, theirs.edges)


@pytest.mark.parametrize(
    ("icpg", "message"),
    [
        ({"use": 3}, r"icpg.use must be at most 2, as many folds as .* has run, got 3: maskers of"),
        ({"selection": "paper"}, "icpg.selection must be honest, as in .*, got paper: maskers of"),
        ({"folds": 4}, "icpg.folds must be 5, as in .*, got 4: maskers of the same data must not"),
    ],
)
def test_maskers_that_have_seen_the_test_part_are_refused(given, icpg, message):
    mine = borrowing(given, icpg=icpg)
    unit = Unit(0, mine.icpg.use - 1, "transfer")
    with pytest.raises(ConfigError, match=message):
        Transfer(mine, wheels(lonely=True), unit)


def test_what_they_cannot_choose_is_refused(given):
    unit = Unit(0, 0, "transfer")
    with pytest.raises(ConfigError, match=r"has no 4 rounds of .*choose fewer icpg.rounds"):
        Transfer(borrowing(given, icpg={"rounds": 4}), wheels(lonely=True), unit)
    task = wheels(lonely=True)
    wider = torch.nn.functional.pad(task.graphs.features, (0, 1))
    task = replace(task, graphs=replace(task.graphs, features=wider))
    with pytest.raises(ConfigError, match=rf"read other features than the {wider.shape[1]} of whe"):
        Transfer(borrowing(given), task, unit)


def test_what_should_be_gone_is_what_the_other_runs_rounds_remove(given, tmp_path):
    mine = borrowing(given, icpg={"edges": 0.05}).model_dump(mode="json")
    facts = {"config": mine, METHOD: "icpg", MASKERS_REMOVE: 0.2}
    record = GraphRecord(tmp_path, Journal.create(tmp_path, facts))
    for variant, number in (("dense", 0), ("transfer", 2)):
        row = Row(variant, 0, 0, number, 0.3, 0.0, 1, 0.5, 0.5, 0.5, 1.0, 1.0)
        Drawn(tmp_path, Unit(0, 0, variant)).played(number, row)
    (ticket,) = record.tickets().tickets
    assert ticket.nominal_edges == pytest.approx(1 - 0.8**2)
    assert ticket.nominal_weights == 0
