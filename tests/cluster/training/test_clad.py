"""CLAD as its users call it: a Ray Train job, killed, gone on with, and what comes of it."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import secateur
from command_line import PATIENCE_S, command, run, running, wait_for
from secateur.cluster.commands.cli import main
from secateur.cluster.exports.trained import RESULT, trained
from secateur.cluster.runs.learned import Learned
from secateur.cluster.runs.record import Record
from secateur.cluster.training.train_job import history
from secateur.methods.tensors.weights import read_weights
from train_workers import workers_of

SHORT = {
    "clad.epochs": 5,
    "finetune.epochs": 3,
    "latency.seconds": 0.05,
    "network.training.epochs": 5,
}


def options(settings: dict[str, object]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def complete(tmp_path_factory) -> Path:
    """A run by one worker."""
    directory = tmp_path_factory.mktemp("runs") / "complete"
    run("train", "clad", "--run", directory, *options(SHORT))
    return directory


def test_what_comes_of_it_costs_the_target_and_is_certified(complete):
    found = secateur.open_training(complete).status()
    assert found["state"] == "complete"
    assert found["learning"] == "5/5"
    assert found["finetuning"] == "3/3"
    assert 0.4 < found["macs"] / found["dense_macs"] <= 0.5
    assert found["final_error"]["value"] < found["dense_final_error"]["value"] + 0.1
    card = json.loads((complete / "pruned" / "model.json").read_text())
    assert card["certificate"]["holds"]
    assert card["widths"] == found["widths"]


def test_it_measures_as_recorded(complete, capsys):
    asked = ["evaluate", str(complete / "pruned"), "--data", "digits", "--split", "final", "--json"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    recorded = secateur.open_training(complete).status()["final_error"]["value"]
    assert 1 - found["accuracy_torch"] == pytest.approx(recorded, abs=1e-12)
    assert 1 - found["accuracy_onnx"] == pytest.approx(recorded, abs=1e-12)


def test_every_epoch_is_remembered_with_its_terms(complete):
    learning = Record(complete).journal.fact("learning")
    assert [epoch["epoch"] for epoch in learning] == [1, 2, 3, 4, 5]
    terms = {"cross_entropy", "attention", "polarisation", "macs"}
    standing = {"soft_error", "hard_error", "soft_macs", "hard_macs", "undecided"}
    assert terms | standing | {"loss"} <= learning[-1].keys()
    assert learning[-1]["hard_macs"] == pytest.approx(0.5, abs=0.15)
    assert list((complete / "tensorboard" / "learning").glob("events.*"))
    assert not (complete / "jobs").exists()


def test_workers_on_a_cluster_one_of_which_is_killed_learn_the_same_within_noise(
    cluster, complete, tmp_path
):
    """There is room for two of the five that are asked for; what one had learned since the last
    epoch is lost with it."""
    cluster.add_node(num_cpus=1)
    directory = tmp_path / "two"
    weights = {"network.weights": complete / "dense.safetensors"}
    settings = SHORT | weights | {"finetune.threads": 1, "finetune.epochs": 1}
    asked = ("train", "clad", "--address", cluster.address, *options(settings), "--workers", 5)
    elastic = ("--set", "finetune.least_workers=1")
    with running(*asked, *elastic, "--run", directory, stdout=subprocess.PIPE) as process:
        wait_for(process, lambda: epochs(directory, "learning") >= 2)
        kept, victims = told(directory, "learning"), workers_of(cluster)
        assert len(victims) == 2
        os.kill(victims[-1], signal.SIGKILL)
        assert "final error" in process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0
    learned = Record(directory).journal.fact("learning")
    assert learned[: len(kept)] == kept
    assert [epoch["epoch"] for epoch in learned] == [1, 2, 3, 4, 5]
    one, two = Record(complete).journal.fact("learning")[-1], learned[-1]
    assert two["soft_macs"] == pytest.approx(one["soft_macs"], abs=0.05)
    assert two["cross_entropy"] == pytest.approx(one["cross_entropy"], abs=0.1)

    said = run(*asked, "--run", tmp_path / "more", code=2).stderr
    assert "5 workers need 5 CPUs, Ray has 2" in said


def told(directory: Path, stage: str) -> list[dict]:
    """What the last checkpoint of a stage tells of its epochs."""
    return history(directory / "jobs" / stage)


def test_its_page_shows_what_was_learned_and_made(complete, capsys):
    found = secateur.open_training(complete).status()
    before = (complete / "report.html").read_text()
    (complete / "report.html").unlink()
    assert main(["report", str(complete)]) == 0
    assert capsys.readouterr().out.split() == [
        str(complete / "report.html"),
        str(complete / "training.png"),
    ]
    page = (complete / "report.html").read_text()
    for one in (before, page):
        assert '<span class="state">complete</span>' in one
    assert (complete / "training.png").read_bytes().startswith(b"\x89PNG")
    learned = Learned.load(complete)
    for kept, scores in zip(found["widths"], learned.scores, strict=True):
        assert f"<span>{kept} of {len(scores)}</span>" in page
    assert f"<b>{100 * found['final_error']['value']:.2f}</b>" in page
    assert main(["report", str(complete), "--beside", str(complete)]) == 2
    assert "--beside is for a search" in capsys.readouterr().err


def epochs(directory: Path, stage: str) -> int:
    """How many epochs the last checkpoint of a stage holds."""
    return len(told(directory, stage))


def test_a_killed_run_goes_on_from_its_last_epoch(complete, tmp_path):
    directory = tmp_path / "killed"
    weights = {"network.weights": complete / "dense.safetensors"}
    asked = ("train", "clad", "--run", directory, *options(SHORT | weights | {"clad.epochs": 6}))
    with running(*asked, stderr=subprocess.DEVNULL) as process:
        wait_for(process, lambda: epochs(directory, "learning") >= 2)
    kept = epochs(directory, "learning")
    assert secateur.open_training(directory).state == "stopped"
    run("report", directory)
    reported = re.search(r"(\d) <small>of 6 epochs", (directory / "report.html").read_text())
    assert reported
    assert int(reported[1]) >= kept  # a worker may outlive the driver by an epoch
    said = run("resume", directory).stderr
    first = next(line for line in said.splitlines() if ", epoch " in line)
    assert int(first.split(", epoch ")[1].split()[0]) > kept / 2, said
    journal = Record(directory).journal
    assert [epoch["epoch"] for epoch in journal.fact("learning")] == list(range(1, 7))
    assert secateur.open_training(directory).state == "complete"


@pytest.mark.parametrize("lost", [["completed"], ["completed", RESULT, "finetuning"]])
def test_a_run_that_died_at_its_end_is_completed(complete, tmp_path, lost):
    directory = tmp_path / "died"
    shutil.copytree(complete, directory)
    found = secateur.open_training(directory).status()
    journal = Record(directory).journal
    for fact in lost:
        journal.note(fact, None)
    run("resume", directory)
    again = secateur.open_training(directory).status()
    assert again["state"] == "complete"
    assert again["finetuning"] == "3/3"
    assert again["widths"] == found["widths"]


def test_a_complete_run_has_nothing_to_resume(complete, capsys):
    assert main(["resume", str(complete)]) == 0
    assert "is complete: nothing to resume" in capsys.readouterr().out


def test_a_training_is_no_search(complete):
    with pytest.raises(ValueError, match=r"is no search but a training: open it by"):
        secateur.open_run(complete)
    with pytest.raises(ValueError, match=r"is no search but a training: look at it by .* its netw"):
        Record(complete).results()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clad.target": 0.01}, "clad.target: no widths cost at most 0.01: the smallest"),
        ({"clad.target": 1.5}, "clad.target: should be less than 1"),
        ({"clad.learning_rate": 0}, "clad.learning_rate: should be greater than 0"),
        ({"clad.learner": "mlp"}, "clad.learner: should be 'raw', 'statistics' or 'logits'"),
        ({"finetune.batch": 800}, "choose another finetune.batch"),
        ({"clad.targt": 1}, "unknown key clad.targt: did you mean target?"),
    ],
)
def test_what_cannot_be_learned_is_refused_and_leaves_nothing(
    complete, tmp_path, capsys, settings, message
):
    weights = {"network.weights": complete / "dense.safetensors"}
    asked = ["train", "clad", "--run", str(tmp_path / "run"), *options(weights | settings)]
    assert main(asked) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_another_task_is_refused(complete, tmp_path, capsys):
    settings = {"network.weights": complete / "dense.safetensors", "clad.teacher": "other:net"}
    (tmp_path / "other.py").write_text(
        "from secateur.methods.networks import ResNet\n"
        "def net():\n"
        "    return ResNet(blocks=1, widths=(4, 4, 4), in_channels=1, classes=7)\n"
    )
    asked = command("train", "clad", "--run", tmp_path / "run", *options(settings))
    done = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "clad.teacher other:net tells 7 classes apart, the network 10" in done.stderr
    capsys.readouterr()


def test_more_gpus_than_there_are_is_said_at_once(complete, tmp_path, capsys):
    weights = {"network.weights": complete / "dense.safetensors"}
    asked = ["train", "clad", "--run", str(tmp_path / "run"), "--gpu", *options(SHORT | weights)]
    assert main(asked) in (1, 2)
    assert "a worker needs 1 GPU, Ray has 0" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_and_names_its_terms(complete, tmp_path):
    settings = SHORT | {
        "network.weights": complete / "dense.safetensors",
        "clad.learning_rate": 1e25,
    }
    said = run("train", "clad", "--run", tmp_path / "run", *options(settings), code=1).stderr
    assert "learning failed: in epoch 1 cross_entropy" in said
    assert "of the loss are not finite: choose a smaller learning rate" in said
    assert secateur.open_training(tmp_path / "run").state == "failed"


def test_a_search_begins_with_it_ranks_by_its_criterion_and_shows_it(complete, tmp_path, capsys):
    settings = {
        "network.weights": complete / "dense.safetensors",
        "pruning.criterion": f"clad:{complete}",
        "search.warm_start": complete,
        "search.final": "picks",
        "search.population": 2,
        "latency.seconds": 0.05,
    }
    directory = tmp_path / "search"
    run("search", "--run", directory, "--evaluations", 4, *options(settings))
    record = Record(directory)
    widths = secateur.open_training(complete).status()["widths"]
    first = record.journal.candidates()[1][0].genome
    assert all(abs(ours - theirs) <= 2 for ours, theirs in zip(first, widths, strict=True))
    scores = Learned.load(complete).scores
    rankings = read_weights(directory / "rankings.safetensors")
    for group, values in enumerate(scores):
        order = rankings[f"clad:{complete}.{group}"].numpy()
        assert (values[order][:-1] >= values[order][1:]).all()

    capsys.readouterr()
    assert main(["front", str(directory), "--with", str(complete), "--json"]) == 0
    front = json.loads(capsys.readouterr().out)["front"]
    beside = record.results([trained(complete, record, record.results().dense, 4)])
    assert front == beside.front_as_json()["front"]  # whether it is on it or another one is better
    (shown,) = (one for one in beside.members if one.origin == "clad")
    assert shown.id == 4
    assert list(shown.widths) == widths
    assert (
        shown.as_json()["objectives"]["error"]
        == (secateur.open_training(complete).status()["error"])
    )
    assert all(one.origin != "clad" for one in Record(directory).results().front)
    assert main(["front", str(directory), "--with", str(directory)]) == 2
    assert "--with must name a complete `secateur train clad`" in capsys.readouterr().err


def test_a_criterion_that_is_not_there_is_refused(complete, tmp_path, capsys):
    asked = [
        "search",
        "--run",
        str(tmp_path / "run"),
        "--set",
        f"pruning.criterion=clad:{tmp_path}",
    ]
    weights = options({"network.weights": complete / "dense.safetensors"})
    assert main([*asked, *weights]) == 2
    assert "pruning.criterion: no learned criterion in" in capsys.readouterr().err
