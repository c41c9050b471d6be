"""ICPG as its users call it: a job that is killed in every way, gone on with, and what it draws."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from torch_geometric.data import Data

import secateur
from command_line import run, running, wait_for
from secateur.cluster.commands.cli import main
from secateur.cluster.lottery.graph_record import GraphRecord
from secateur.cluster.lottery.rounds import rows
from train_workers import workers_below
from wheels import ring

SETTINGS = {
    "data.name": "wheels:task",
    "network.hidden": 16,
    "network.layers": 2,
    "masker.hidden": 8,
    "masker.layers": 2,
    "masker.learning_rate": 0.01,
    "training.epochs": 8,
    "training.learning_rate": 0.01,
    "training.batch": 16,
    "icpg.rounds": 3,
    "icpg.folds": 5,
    "icpg.use": 2,
    "icpg.variants": "[icpg, random, weights]",
}


def options(settings: dict[str, object]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True, scope="module")
def importable():
    """Commands and workers find the graphs as a user's own module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        yield


@pytest.fixture(scope="module")
def complete(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "complete"
    run("train", "icpg", "--run", directory, *options(SETTINGS))
    return directory


def numbers(directory: Path) -> list[tuple]:
    """What is known of each round, but for the time it took."""
    return [
        (row.variant, row.seed, row.fold, row.round, row.edges_gone, row.weights_gone, row.epoch,
         row.validation, row.test, row.best_test)
        for row in rows(directory)
    ]  # fmt: skip


def test_every_fold_and_variant_has_its_rounds(complete):
    told = secateur.open_training(complete).status()
    assert told["state"] == "complete"
    assert told["method"] == "icpg"
    assert told["rounds"] == "20/20"
    kinds = [(row.variant, row.fold, row.round) for row in rows(complete)]
    assert kinds.count(("dense", 0, 0)) == 1
    assert {kind for kind in kinds if kind[0] != "dense"} == {
        (variant, fold, number)
        for variant in ("icpg", "random", "weights")
        for fold in (0, 1)
        for number in (1, 2, 3)
    }


def test_the_front_tells_scores_beside_the_dense_and_the_random_ones(complete, capsys):
    assert main(["front", str(complete), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    by_key = {(row.variant, row.fold, row.round): row for row in rows(complete)}
    (third,) = [one for one in found["tickets"] if (one["variant"], one["round"]) == ("icpg", 3)]
    mine, random, dense = (
        [by_key[variant, fold, number].test for fold in (0, 1)]
        for variant, number in (("icpg", 3), ("random", 3), ("dense", 0))
    )
    assert third["score"] == pytest.approx(sum(mine) / 2)
    assert third["gain"] == pytest.approx((sum(mine) - sum(dense)) / 2)
    assert third["over_random"] == pytest.approx((sum(mine) - sum(random)) / 2)
    assert third["nominal_edges"] == pytest.approx(1 - 0.95**3)
    assert third["nominal_weights"] == pytest.approx(0.488)
    assert third["wins"] == (third["gain"] > -1e-9)
    assert third["time"]["low"] <= third["time"]["value"] <= third["time"]["high"]
    assert third["thinning"]["value"] > 0
    assert set(found["front"]) <= {
        one["round"] for one in found["tickets"] if one["variant"] == "icpg" and one["wins"]
    }
    weights = [one for one in found["tickets"] if one["variant"] == "weights"]
    assert [one["edges_gone"] for one in weights] == [0.0] * 3


def test_people_see_a_table_a_page_and_a_picture(complete, capsys):
    assert main(["front", str(complete)]) == 0
    table = capsys.readouterr().out
    assert "wheels:task, folds x seeds: 2" in table
    assert "26.73" not in table
    assert (complete / "tickets.png").read_bytes().startswith(b"\x89PNG")
    before = (complete / "report.html").read_text()
    (complete / "report.html").unlink()
    assert main(["report", str(complete)]) == 0
    page = (complete / "report.html").read_text()
    for one in (before, page):
        assert '<span class="state">complete</span>' in one
        assert one.count("<tr") == 2 + 9
    assert "http" not in page.replace("http-equiv", "")


def test_tickets_are_handed_out_for_new_graphs(complete):
    network, transform = secateur.load(complete / "tickets" / "best")
    card = json.loads((complete / "tickets" / "best" / "model.json").read_text())
    rounds = GraphRecord(complete).tickets().of("icpg")
    best = max(rounds, key=lambda one: (one.validation, one.round))
    assert card["ticket"]["round"] == best.round
    thin = transform(Data(edge_index=ring(40, False), num_nodes=40))
    assert thin.edge_index.shape[1] == round(80 * 0.95 ** card["ticket"]["round"])
    assert network(thin.x, thin.edge_index, batch=thin.edge_index.new_zeros(40)).shape == (1, 2)


def test_whatever_dies_the_rest_goes_on_from_the_last_stage(complete, tmp_path):
    directory = tmp_path / "killed"
    asked = ("train", "icpg", "--run", directory, *options(SETTINGS))
    with running(*asked, stderr=subprocess.DEVNULL) as process:
        wait_for(process, lambda: len(rows(directory)) >= 4)
        os.kill(workers_below(process.pid)[0], signal.SIGKILL)
        wait_for(process, lambda: len(rows(directory)) >= 9)
    kept = {path: path.stat().st_mtime_ns for path in directory.glob("rounds/*/*.json")}
    assert secateur.open_training(directory).state == "stopped"
    run("resume", directory)
    assert all(path.stat().st_mtime_ns == known for path, known in kept.items())
    assert numbers(directory) == numbers(complete)
    assert secateur.open_training(directory).state == "complete"


def test_a_complete_run_has_nothing_to_resume(complete, capsys):
    assert main(["resume", str(complete)]) == 0
    assert "is complete: nothing to resume" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["export", "RUN", "--pick", "knee", "--to", "x"], "RUN is no search but a training"),
        (["finetune", "RUN", "--pick", "all"], "RUN is no search of networks for images"),
        (["front", "RUN", "--with", "RUN"], "--with is for a search, RUN has drawn tickets"),
        (["report", "RUN", "--beside", "RUN"], "--beside is for a search, RUN is a training"),
        (["search", "--set", "search.warm_start=RUN"], "RUN is no search of networks for images"),
        (["evaluate", "RUN/tickets/best", "--data", "digits"], "holds a ticket of a graph network"),
        (["cut", "RUN/tickets/best", "--keep", "0.5", "--to", "x"], "holds a ticket of a graph"),
        (["train", "icpg", "--run", "RUN"], "RUN holds a run already: choose another --run"),
    ],
)
def test_what_is_for_searches_says_so(complete, capsys, asked, message):
    assert main([part.replace("RUN", str(complete)) for part in asked]) == 2
    assert message.replace("RUN", str(complete)) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data.name": "MUTGA"}, "data.name MUTGA is not known: did you mean MUTAG?"),
        ({"icpg.folds": 30, "icpg.use": 1}, "folds must be at least 3 and at most 25, the graphs"),
        ({"icpg.use": 6}, "icpg: use must be at most folds, 5, got 6"),
        ({"icpg.variants": "[icpg, ugs]"}, "icpg.variants: ugs learns a mask for every edge of"),
        ({"icpg.variants": "[]"}, "icpg.variants: must hold at least one, and each once"),
        ({"training.batch": 1}, "training.batch: should be greater than or equal to 2, got 1"),
        (
            {"training.workers": 2, "training.least_workers": 3},
            "training: least_workers must be at most workers, 2, got 3",
        ),
        ({"icpg.edgs": 0.1}, "unknown key icpg.edgs: did you mean edges?"),
        (
            {"network.factory": "torch.nn:Bilinear"},
            "network: torch.nn:Bilinear must take ins, classes",
        ),
        ({"network.kind": "gat", "network.heads": 3}, "must be a multiple of heads, 3"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_line(
    tmp_path, capsys, monkeypatch, settings, message
):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    asked = ["train", "icpg", "--run", str(tmp_path / "run"), *options(SETTINGS | settings)]
    assert main(asked) in (1, 2)
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_seeds_are_given_one_by_one(tmp_path, capsys):
    asked = ["train", "icpg", "--run", str(tmp_path / "run"), "--seed", "3", "--seed", "3"]
    assert main(asked) == 2
    assert (
        "icpg.seeds: must hold at least one, and each once, got [3, 3]" in capsys.readouterr().err
    )
