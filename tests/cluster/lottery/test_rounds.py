"""Units that end before their last round, beside those that do not."""

from pathlib import Path

import pytest

from secateur.cluster.lottery.drawn import Drawn
from secateur.cluster.lottery.graph_record import GraphRecord
from secateur.cluster.lottery.lottery import lottery_of, plan_of, splits_of
from secateur.cluster.lottery.rounds import Failed, Unit, failures, rows
from secateur.cluster.lottery.stages import draw_all
from secateur.cluster.runs.record import METHOD
from secateur.cluster.settings.graph_config import GraphConfig, check_graph_config, settled
from secateur.cluster.storage.journal import Journal
from secateur.methods.icpg.rounds import Kept, Lottery
from wheels import wheels


def config() -> GraphConfig:
    values = {
        "data": {"name": "wheels:task"},
        "network": {"hidden": 8, "layers": 1},
        "masker": {"hidden": 4, "layers": 1},
        "training": {"epochs": 2, "batch": 16},
        "icpg": {"rounds": 3, "folds": 5, "use": 2, "variants": ["icpg"]},
    }
    return settled(check_graph_config(values, source="x.yaml"), "graph")


def draw(run: Path, unit: Unit) -> None:
    """Play all rounds of a unit."""
    task = wheels()
    split = splits_of(config(), task)[unit.fold]
    lottery = lottery_of(config(), task, split, unit, plan_of(config(), unit.variant))
    draw_all(lottery, lottery.draw, Drawn(run, unit), 3)


def test_a_unit_that_diverges_ends_there_and_the_others_go_on(tmp_path, monkeypatch):
    play = Lottery.play

    def diverging(self: Lottery, kept: Kept):
        if self.seed == 1 and kept.round == 2:  # of fold 1
            raise FloatingPointError("in epoch 1 the loss is not finite")
        return play(self, kept)

    monkeypatch.setattr(Lottery, "play", diverging)
    units = [Unit(0, fold, variant) for variant in ("dense", "icpg") for fold in (0, 1)]
    for unit in (*units, *units):  # gone on with, nothing is done again
        draw(tmp_path, unit)
    assert failures(tmp_path) == [Failed("icpg", 0, 1, 2, "in epoch 1 the loss is not finite")]
    played = [(row.fold, row.round) for row in rows(tmp_path) if row.variant == "icpg"]
    assert played == [(0, 1), (0, 2), (0, 3), (1, 1)]
    record = recorded(tmp_path)
    assert record.lost == [
        "icpg, seed 0, fold 1, round 2 failed: in epoch 1 the loss is not finite"
    ]
    first, second, third = record.tickets().tickets
    assert [one.failed for one in (first, second, third)] == [0, 1, 1]
    assert not second.wins


def recorded(run: Path) -> GraphRecord:
    """The run as those who look at it have it."""
    facts = {"config": config().model_dump(mode="json"), METHOD: "icpg"}
    return GraphRecord(run, Journal.create(run, facts))


def test_without_a_dense_network_there_are_no_tickets(tmp_path):
    Drawn(tmp_path, Unit(0, 0, "dense")).fail(0, "the loss is not finite")
    with pytest.raises(ValueError, match="no dense network to compare tickets with: dense, seed 0"):
        recorded(tmp_path).tickets()
