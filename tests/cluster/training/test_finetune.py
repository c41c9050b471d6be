"""Fine-tuning as its users call it: a Ray Train job on a complete run, killed, and gone on with."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import secateur
from command_line import run, running, wait_for
from secateur.cluster.commands.cli import main
from secateur.cluster.runs.record import Record
from secateur.cluster.storage.journal import Journal
from train_workers import workers_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "digits-macs.yaml"


@pytest.fixture(scope="module")
def complete(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "complete"
    run("search", EXAMPLE, "--run", directory, "--evaluations", 8)
    return directory


@pytest.fixture(scope="module")
def finetuned(complete, tmp_path_factory) -> tuple[Path, str]:
    """A copy of the run with one network fine-tuned by two workers, and what that printed."""
    directory = tmp_path_factory.mktemp("runs") / "finetuned"
    shutil.copytree(complete, directory)
    done = run("finetune", directory, "--pick", 6, "--epochs", 3, "--workers", 2)
    return directory, done.stdout


def test_the_result_is_on_the_front_with_its_parents_costs(finetuned):
    results = secateur.open_run(finetuned[0]).results()
    parent, now = (next(m for m in results.members if m.id == number) for number in (6, 8))
    assert now.origin == "fine-tuned"
    assert now.parent == 6
    assert now in results.front
    assert parent not in results.front
    assert now.objectives["error"].value < parent.objectives["error"].value / 2
    assert {n: e for n, e in now.objectives.items() if n != "error"} == {
        n: e for n, e in parent.objectives.items() if n != "error"
    }
    assert now.final_error is not None


def test_the_search_itself_is_told_as_before(complete, finetuned):
    before, after = (secateur.open_run(path).results() for path in (complete, finetuned[0]))
    assert after.hypervolumes == before.hypervolumes
    assert after.picks == before.picks
    assert after.members[: len(before.members)] == before.members


def test_it_is_handed_out_certified_and_measures_as_recorded(finetuned, tmp_path, capsys):
    directory, said = finetuned
    assert main(["export", str(directory), "--pick", "8", "--to", str(tmp_path / "eight")]) == 0
    card = json.loads((tmp_path / "eight" / "model.json").read_text())
    assert card["certificate"]["holds"]
    assert card["parent"] == 6
    assert card["recipe"]["epochs"] == 3
    for split, recorded in (
        ("search", card["objectives"]["error"]),
        ("final", card["final_error"]),
    ):
        capsys.readouterr()
        asked = [
            "evaluate",
            str(tmp_path / "eight"),
            "--data",
            "digits",
            "--split",
            split,
            "--json",
        ]
        assert main(asked) == 0
        found = json.loads(capsys.readouterr().out)
        assert 1 - found["accuracy_torch"] == pytest.approx(recorded["value"], abs=1e-12)
        assert 1 - found["accuracy_onnx"] == pytest.approx(recorded["value"], abs=1e-12)
    assert "network 8   network 6 fine-tuned" in said


def test_the_report_shows_it(finetuned):
    assert "fine-tuned" in (finetuned[0] / "report.html").read_text()


def test_the_same_recipe_is_not_trained_again(finetuned, capsys):
    directory, _ = finetuned
    chosen = ["--pick", "6", "--epochs", "3", "--workers", "2"]
    assert main(["finetune", str(directory), *chosen]) == 0
    assert "is fine-tuned already: network 8" in capsys.readouterr().err
    assert len(Record(directory).journal.finetuned()) == 1


def checkpoints(directory: Path) -> list[int]:
    """The epochs that a job in this run has kept."""
    return [
        json.loads(path.read_text())["epoch"]
        for path in directory.glob("jobs/*/checkpoint_*/snapshot.json")
    ]


def test_a_killed_command_goes_on_from_its_last_epoch(complete, tmp_path):
    directory = tmp_path / "killed"
    shutil.copytree(complete, directory)
    asked = ("finetune", directory, "--pick", 6, "--epochs", 400)
    with running(*asked, stderr=subprocess.DEVNULL) as process:
        wait_for(process, lambda: max(checkpoints(directory), default=0) >= 8)
    kept = max(checkpoints(directory))
    assert secateur.open_run(directory).state == "complete"
    # The rest is long: it is enough to see that the next command does not begin anew.
    told = []
    with running(*asked, stderr=subprocess.PIPE) as process:
        for line in process.stderr:
            told.append(line)
            if ", epoch " in line:
                break
    epoch = int(told[-1].split(", epoch ")[1].split()[0])
    assert epoch > kept / 2, told  # epochs whose checkpoints Ray Train did not note yet are lost


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pick", "best"], "--pick must be fastest, knee, most-accurate or the id"),
        (["--pick", "0"], "network 0 is dense: --pick must name a pruned network"),
        (["--pick", "6", "--epochs", "0"], "finetune.epochs: should be greater than or equal to 1"),
        (["--pick", "6", "--set", "search.seed=1"], "search.seed: only keys under finetune"),
        (["--pick", "6", "--set", "finetune.rate=1"], "unknown key finetune.rate"),
        (["--pick", "6", "--set", "finetune.batch=5000"], "choose another finetune.batch"),
        (["--pick", "6", "--address", "127.0.0.1:1"], "no Ray cluster at 127.0.0.1:1"),
    ],
)
def test_what_cannot_be_trained_is_answered_in_a_line(complete, capsys, options, message):
    assert main(["finetune", str(complete), *options]) in (1, 2)
    assert message in capsys.readouterr().err


def test_a_run_that_is_not_complete_is_refused(complete, capsys):
    journal = Journal.open(complete)
    journal.note("completed", None)
    try:
        assert main(["finetune", str(complete), "--pick", "6"]) == 2
    finally:
        journal.note("completed", True)
        journal.close()
    assert "is stopped: its networks can be trained further once" in capsys.readouterr().err


def test_python_finds_what_the_command_has_made(finetuned):
    directory, _ = finetuned
    (network,) = secateur.open_run(directory).finetune(6, epochs=3, workers=2)
    assert network["id"] == 8
    assert network["parent"] == 6


def test_a_cluster_trains_where_it_has_room(cluster, complete, tmp_path):
    directory = tmp_path / "there"
    shutil.copytree(complete, directory)
    asked = ("finetune", directory, "--pick", 6, "--epochs", 1, "--address", cluster.address)
    assert "5 workers need 5 CPUs, Ray has 1" in run(*asked, "--workers", 5, code=2).stderr
    assert "network 6 fine-tuned" in run(*asked).stdout  # `auto` shares its one core


def test_a_run_may_fine_tune_its_front_as_the_last_rung(cluster, complete, tmp_path):
    """Few images first, all of them for some, and some epochs for the front, all on a cluster;
    killed on the way."""
    directory, trained_by = tmp_path / "rungs", set()
    cluster.add_node(num_cpus=2)
    settings = {
        "search.fidelity.images": 50,
        "search.fidelity.epochs": 6,
        "network.weights": complete / "dense.safetensors",
    }
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    there = ("--address", cluster.address)
    asked = ("search", EXAMPLE, "--run", directory, "--evaluations", 4, *sets, *there)
    with running(*asked, stderr=subprocess.PIPE) as process:
        while not list(directory.glob("finetuned/*/model.json")):
            assert process.poll() is None, process.stderr.read()
            trained_by.update(workers_of(cluster))
            time.sleep(0.05)
    assert trained_by
    said = run("resume", directory, *there).stderr
    results = secateur.open_run(directory).results()
    tuned = {one.parent: one for one in results.members if one.origin == "fine-tuned"}
    pruned = [one for one in results.search_front if one.origin != "dense"]
    assert sorted(tuned) == sorted(one.id for one in pruned)
    assert len(Record(directory).journal.finetuned()) == len(pruned)
    knee = next(one for one in results.members if one.id == results.picks["knee"])
    assert knee in results.front
    assert knee.origin == "fine-tuned"
    status = Record(directory).status()
    assert 0 < status["promoted"] <= 3
    assert "candidates were measured on all images" in said
    card = json.loads((directory / "exports" / "knee" / "model.json").read_text())
    assert card["origin"] == "fine-tuned"
