"""The product itself, as its users call it: searches on Ray, killed, resumed, exported, measured.

All runs are the example `digits-macs.yaml`, whose objectives are deterministic.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import secateur
from command_line import PATIENCE_S, command, run
from secateur.actors.job import again
from secateur.cluster.commands.cli import main
from secateur.cluster.runs.readings import PREDICTION
from secateur.cluster.runs.record import Record
from secateur.cluster.storage.journal import Journal
from secateur.methods.data.datasets import load_dataset
from secateur.search.indicators import front

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits-macs.yaml"
EVALUATIONS = 60


def trained_as(directory: Path) -> tuple[str, str]:
    """Options that give a search another run's dense network, which saves training it anew."""
    return "--set", f"network.weights={directory / 'dense.safetensors'}"


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command prints that needs no process of its own."""
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 0
    return capsys.readouterr().out


def status(directory: Path) -> dict:
    return json.loads(run("status", directory, "--json").stdout)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    """A complete run with one evaluator."""
    directory = tmp_path_factory.mktemp("runs") / "unbroken"
    run("search", EXAMPLE, "--run", directory, "--evaluators", 1)
    return directory


def test_a_complete_run_says_so(unbroken):
    found = status(unbroken)
    assert found["state"] == "complete"
    assert found["evaluations"] == found["budget"] == EVALUATIONS
    assert found["failures"] == 0
    assert 0.5 < found["hypervolume"] < 1.331
    assert found["seed"] == 0
    assert found["elapsed_s"] > 1
    assert len(found["archive_hash"]) == 64


def test_resuming_a_complete_run_does_nothing_and_succeeds(unbroken):
    before = (unbroken / "journal.db").read_bytes()
    assert "complete" in run("resume", unbroken).stdout
    assert (unbroken / "journal.db").read_bytes() == before


def test_a_run_is_not_overwritten(unbroken):
    done = subprocess.run(
        command("search", EXAMPLE, "--run", unbroken), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "holds a run already" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_same_search_given_again_with_resume_goes_on(unbroken):
    before = (unbroken / "journal.db").read_bytes()
    asked = ("search", EXAMPLE, "--run", unbroken, "--evaluators", 1, "--resume")
    assert "Pareto front" in run(*asked).stdout
    assert (unbroken / "journal.db").read_bytes() == before


def test_another_search_does_not_go_on_with_a_run(unbroken, capsys):
    another = ("search", EXAMPLE, "--run", unbroken, "--evaluators", 1, "--resume")
    assert main([*map(str, another), "--evaluations", "61"]) == 2
    assert "holds a run with search.evaluations 60, not 61: " in capsys.readouterr().err
    assert main([*map(str, another), "--journal", "sqlite:///elsewhere.db"]) == 2
    assert "keeps its journal in itself: leave out --journal" in capsys.readouterr().err
    assert main([*map(str, another), "--artifacts", "copies"]) == 2
    told = f"--artifacts must be None, as {unbroken} has it, got {Path('copies').absolute()}"
    assert told in capsys.readouterr().err


def test_the_number_of_evaluators_does_not_change_the_archive(unbroken, tmp_path):
    arguments = ("--run", tmp_path / "run", "--evaluators", 4)
    run("search", EXAMPLE, *arguments, *trained_as(unbroken))
    assert status(tmp_path / "run")["archive_hash"] == status(unbroken)["archive_hash"]


def test_a_complete_run_leaves_its_report_and_picture(unbroken):
    page = (unbroken / "report.html").read_text()
    assert "complete" in page
    assert (unbroken / "front.png").read_bytes().startswith(b"\x89PNG")


OWN = """
import numpy as np
from torch import nn
from secateur.methods.data.datasets import Dataset
from secateur.methods.data.images import Images

def network(classes):
    return nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes),
    )

def data(root):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 7, 7, 2), dtype=np.uint8)
    images = Images(pixels, (pixels.mean((1, 2, 3)) > 127).astype(np.int64))
    return Dataset("own", images[:30], images[30:60], images[60:], (0.5, 0.5), (0.3, 0.3))
"""

OWN_CONFIG = """
name: own
network: {factory: "mine:network", arguments: {classes: 2}, training: {epochs: 1}}
data: {name: "mine:data"}
pruning: {round_to: 1, minimum: 1, ignore: ["3"]}
latency: {seconds: 0.05}
search: {evaluations: 30}
"""


def test_a_user_s_own_network_and_data_are_found_by_import_path(tmp_path):
    """Eight widths in all, so that the search also ends with the space, before its budget."""
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "own.yaml").write_text(OWN_CONFIG)
    done = subprocess.run(
        command("search", "own.yaml", "--run", "run"), cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = secateur.open_run(tmp_path / "run").results()
    assert sorted(member.widths for member in results.members) == [(w,) for w in range(1, 9)]
    assert all(member.objectives["latency_ms"].low > 0 for member in results.members)


TWO_TARGETS = """
objectives: [error, latency_ms@one, latency_ms@many]
targets: {one: {}, many: {batch: 256, precision: int8}}
"""


def test_a_search_for_two_targets_measures_each_network_on_both(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "own.yaml").write_text(OWN_CONFIG + TWO_TARGETS)
    done = subprocess.run(
        command("search", "own.yaml", "--run", "run"), cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "latency on many" in done.stderr
    record = Record(tmp_path / "run")
    names = ("latency_ms@one", "latency_ms@many")
    assert len(record.results().members) == 8
    for member in record.results().members:
        one, many = (member.objectives[name].value for name in names)
        assert many > one > 0
    one, many = (record.device(name) for name in names)
    assert (one["precision"], one["batch"], one["threads"]) == ("fp32", 1, 1)
    assert (many["precision"], many["batch"], many["threads"]) == ("int8", 256, 1)
    answers = record.journal.answers()
    assert all(
        answers[number][name].beside["calls"] > 0 for number in range(1, 8) for name in names
    )
    whole = tmp_path / "run" / "exports" / "most-accurate"
    asked = ("evaluate", whole, "--data", "mine:data", "--split", "final", "--json")
    measured = subprocess.run(command(*asked), cwd=tmp_path, capture_output=True, check=True)
    told = json.loads((whole / "model.json").read_text())["int8"]["final_error"]
    assert json.loads(measured.stdout)["accuracy_int8"] == pytest.approx(1 - told["value"])
    assert told["low"] <= told["value"] <= told["high"]
    run("report", tmp_path / "run")
    assert "Latency on many (ms)" in (tmp_path / "run" / "report.html").read_text()


def test_a_search_that_predicts_latencies_hands_out_measured_ones(unbroken, tmp_path):
    directory = tmp_path / "run"
    settings = {
        "objectives": "[error,latency_ms]",
        "search.evaluations": 36,
        "search.fidelity.predicted": 0.5,
        "latency.seconds": 0.05,
    }
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    run("search", EXAMPLE, "--run", directory, *sets, *trained_as(unbroken))
    record = Record(directory)
    answers = record.journal.answers()
    spared = [n for n, known in answers.items() if known["latency_ms"].worker == PREDICTION]
    assert len(spared) >= 3
    assert not any(member.predicted for member in record.results().front)
    measured = [n for n in spared if again("latency_ms") in answers[n]]
    assert record.status().get("predicted", 0) == len(spared) - len(measured)
    assert all(answers[n][again("latency_ms")].beside["calls"] > 0 for n in measured)


def test_a_list_of_criteria_is_searched_group_by_group(unbroken, tmp_path):
    arguments = ("--run", tmp_path / "run", "--evaluations", 24, "--set", "search.population=12")
    criteria = ("--set", "pruning.criterion=[l2, taylor]")
    run("search", EXAMPLE, *arguments, *criteria, *trained_as(unbroken))
    found = json.loads(run("front", tmp_path / "run", "--json").stdout)
    groups, named = len(found["dense"]["widths"]), set()
    for entry in found["front"]:
        assert len(entry["widths"]) == len(entry["criteria"]) == groups
        named |= set(entry["criteria"])
    assert named == {"l2", "taylor"}
    assert found["dense"]["criteria"] == ["l2"] * groups
    exported = json.loads((tmp_path / "run" / "exports" / "knee" / "model.json").read_text())
    assert exported["certificate"]["holds"]
    assert set(exported["criteria"]) <= named
    ranked = (tmp_path / "run" / "rankings.safetensors").read_bytes()
    run("resume", tmp_path / "run")
    assert (tmp_path / "run" / "rankings.safetensors").read_bytes() == ranked


def test_a_warm_start_measures_nothing_again(unbroken, tmp_path):
    warm = ("--set", f"search.warm_start={unbroken}")
    arguments = ("--run", tmp_path / "run", "--evaluations", 40, "--seed", 3)
    run("search", EXAMPLE, *arguments, *warm, *trained_as(unbroken))
    assert status(tmp_path / "run")["seed"] == 3
    earlier = secateur.open_run(unbroken).results()
    found = secateur.open_run(tmp_path / "run").results()
    errors = {member.genome: member.objectives["error"] for member in earlier.members}
    journal = Journal.open(tmp_path / "run")
    answers = journal.answers()
    journal.close()
    for member in found.members:
        again = answers[member.id]["error"].worker == "an earlier run"
        assert again == (member.genome in errors)
        if again:
            assert member.objectives["error"] == errors[member.genome]
    assert len({m.genome for m in found.members} & set(errors)) >= len(earlier.front)
    assert found.hypervolumes[-1] >= earlier.hypervolumes[-1]


def test_a_warm_start_from_another_network_is_refused(unbroken, tmp_path, capsys):
    arguments = ("--run", str(tmp_path / "run"), "--set", f"search.warm_start={unbroken}")
    other = ("--set", "pruning.round_to=8", *trained_as(unbroken))
    assert main(["search", str(EXAMPLE), *arguments, *other]) == 2
    assert "has another pruning: its errors do not hold here" in capsys.readouterr().err


def test_a_run_may_keep_its_journal_on_a_server(unbroken, database, tmp_path, capsys):
    directory = tmp_path / "run"
    arguments = ("--run", directory, "--evaluations", 12, "--journal", database)
    run("search", EXAMPLE, *arguments, *trained_as(unbroken))
    assert not (directory / "journal.db").exists()
    found = json.loads(printed(capsys, "front", directory, "--json"))
    first = secateur.open_run(unbroken).results().members[:12]
    assert {entry["id"] for entry in found["front"]} <= {member.id for member in first}
    assert all(
        first[e["id"]].objectives["error"].value == e["objectives"]["error"]["value"]
        for e in found["front"]
    )
    assert printed(capsys, "runs", database) == f"complete      12/12     {directory}\n"
    assert "complete" in printed(capsys, "status", directory, "--on", database)


def test_nearly_all_genomes_are_distinct(unbroken):
    members = secateur.open_run(unbroken).results().members
    assert len({member.widths for member in members}) == EVALUATIONS


def test_the_front_is_the_set_of_non_dominated_networks(unbroken):
    printed = json.loads(run("front", unbroken, "--json").stdout)
    members = secateur.open_run(unbroken).results().members
    points = np.array([[e.value for e in m.objectives.values()] for m in members])
    assert sorted(entry["id"] for entry in printed["front"]) == front(points).tolist()
    assert printed["dense"]["id"] == 0
    for entry in (*printed["front"], printed["dense"]):
        assert set(entry) >= {"id", "objectives", "macs", "params", "widths", "origin"}
        assert set(entry["objectives"]) == {"error", "macs", "memory_bytes"}
        for interval in entry["objectives"].values():
            assert interval["low"] <= interval["value"] <= interval["high"]
        assert 0 <= entry["final_error"]["value"] <= 1


@pytest.mark.parametrize("pick", ["fastest", "knee", "most-accurate"])
def test_a_handed_out_network_is_what_was_measured(unbroken, pick, capsys):
    directory = unbroken / "exports" / pick
    card = json.loads((directory / "model.json").read_text())
    assert card["certificate"]["holds"]
    for split, recorded in (("search", card["objectives"]["error"]), ("final", None)):
        asked = ("evaluate", directory, "--data", "digits", "--split", split, "--json")
        found = json.loads(printed(capsys, *asked))
        expected = (recorded or card["final_error"])["value"]
        assert 1 - found["accuracy_torch"] == pytest.approx(expected, abs=1e-12)
        assert 1 - found["accuracy_onnx"] == pytest.approx(expected, abs=1e-12)
    images = load_dataset("digits").final.pixels[:50].transpose(0, 3, 1, 2) / np.float32(255)
    inputs = ((images - 0.306) / 0.376).astype(np.float32)
    with torch.inference_mode():
        by_torch = secateur.load(directory)(torch.from_numpy(inputs)).numpy()
    session = onnxruntime.InferenceSession(directory / "model.onnx")
    (by_onnx,) = session.run(None, {session.get_inputs()[0].name: inputs})
    assert np.abs(by_torch - by_onnx).max() <= 1e-4 * max(1, np.abs(by_torch).max())


def test_any_network_of_the_run_can_be_exported(unbroken, tmp_path, capsys):
    member = secateur.open_run(unbroken).results().members[7]
    printed(capsys, "export", unbroken, "--pick", 7, "--to", tmp_path / "seven")
    network = secateur.load(tmp_path / "seven")
    assert sum(p.numel() for p in network.parameters()) == member.params
    card = json.loads((tmp_path / "seven" / "model.json").read_text())
    assert tuple(card["widths"]) == member.widths


def test_a_wrong_pick_is_answered_with_the_right_ones(unbroken, tmp_path, capsys):
    code = main(["export", str(unbroken), "--pick", "best", "--to", str(tmp_path / "x")])
    assert code == 2
    assert "--pick must be fastest, knee, most-accurate or the id" in capsys.readouterr().err


def test_a_run_being_worked_on_is_refused_to_a_second_process(unbroken, capsys):
    journal = Journal.open(unbroken)
    journal.note("completed", None)
    try:
        with journal.held():
            assert secateur.open_run(unbroken).state == "running"
            assert main(["resume", str(unbroken)]) == 1
    finally:
        journal.note("completed", True)
        journal.close()
    assert "is being worked on by another process" in capsys.readouterr().err


def rows(directory: Path) -> dict:
    """All answers of a run that may be alive, by candidate and quantity."""
    path = directory / "journal.db"
    if not path.exists():
        return {}
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        told = connection.execute("select body from entries where kind = 'answered'").fetchall()
    finally:
        connection.close()
    answers = [json.loads(body) for (body,) in told]
    return {(answer["number"], answer["quantity"]): answer for answer in answers}


def start(directory: Path) -> subprocess.Popen:
    resuming = (directory / "journal.db").exists()
    arguments = ("resume", directory) if resuming else ("search", EXAMPLE, "--run", directory)
    return subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_a_run_killed_at_ten_random_moments_ends_as_the_unbroken_one(unbroken, tmp_path):
    rng = random.Random(20261124)
    directory, kills, known = tmp_path / "run", 0, {}
    # Six moments lie in the search, after so many more answers; four while it loads and starts.
    moments = [(rng.randint(1, 5), PATIENCE_S) for _ in range(6)]
    moments += [(3, rng.uniform(0.5, 8.0)) for _ in range(4)]
    rng.shuffle(moments)
    for answers, seconds in moments:
        process, begun = start(directory), time.monotonic()
        before = len(rows(directory))
        while process.poll() is None:
            spent = time.monotonic() - begun
            assert spent < PATIENCE_S, "the run makes no progress"
            if len(rows(directory)) - before >= answers or spent >= seconds:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.05)
        process.wait()
        after = rows(directory)
        assert known.items() <= after.items(), "an answer was measured again or lost"
        known = after
    assert kills == 10, "the run ended before all kills: make the example longer"
    run("resume", directory)
    assert known.items() <= rows(directory).items()
    assert status(directory)["archive_hash"] == status(unbroken)["archive_hash"]
    assert secateur.open_run(directory).front() == secateur.open_run(unbroken).front()


def test_an_interrupt_stops_a_run_cleanly_and_tells_how_to_go_on(unbroken, tmp_path):
    directory = tmp_path / "run"
    process = subprocess.Popen(
        command("search", EXAMPLE, "--run", directory, *trained_as(unbroken)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(rows(directory)) < 3:
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == f"secateur: stopped; go on with: secateur resume {directory}"
    assert "Traceback" not in errors
    assert status(directory)["state"] == "stopped"
