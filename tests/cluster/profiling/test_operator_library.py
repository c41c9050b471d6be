import json

import pytest

from secateur.actors.job import OPERATORS, Answer
from secateur.cluster.commands.cli import main
from secateur.cluster.profiling import operator_library as library
from secateur.search.candidate import Estimate
from secateur.surrogates.operator_model import LEAST


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows(count: int, ms: float = 1.0) -> list[list[float]]:
    return [[number + 1, 8, 3, 3, 64, ms] for number in range(count)]


def test_what_was_learned_on_one_target_is_not_known_of_another():
    library.learn("here", rows(3))
    assert len(library.known("here")) == 3
    assert library.known("there") == {}


def test_times_of_a_layer_are_put_together_and_the_latest_are_kept():
    for number in range(library.KEPT + 5):
        known = library.learn("here", rows(1, float(number)))
    assert known == library.known("here")
    assert known[1, 8, 3, 3, 64] == [float(number) for number in range(5, library.KEPT + 5)]


def test_too_few_layers_make_no_model():
    assert library.model_of(library.learn("here", rows(LEAST - 1))) is None
    assert library.model_of(library.learn("here", rows(LEAST))) is not None


def test_a_run_takes_a_copy_of_what_is_known_of_its_places():
    library.learn("here", rows(2))
    copy = json.loads(library.copied({"latency_ms": "here", "latency_ms@board": "there"}))
    assert copy == {
        "latency_ms": [[[1, 8, 3, 3, 64], [1.0]], [[2, 8, 3, 3, 64], [1.0]]],
        "latency_ms@board": [],
    }


def test_what_profilers_have_told_is_found_in_the_answers():
    def answer(quantity: str, told: list) -> Answer:
        beside = {OPERATORS: told} if told else {}
        return Answer(1, quantity, Estimate.exact(1.0), "w", 1.0, beside=beside)

    answers = [
        {"error": answer("error", []), "latency_ms": answer("latency_ms", rows(1))},
        {"latency_ms": answer("latency_ms", rows(2))},
        {"latency_ms@board": answer("latency_ms@board", [])},
    ]
    assert library.measured(answers) == {
        "latency_ms": rows(1) + rows(2),
        "latency_ms@board": [],
    }


def test_a_sweep_fills_the_library_and_tells_how_well_it_predicts(capsys):
    """What is told of prediction is no more than a number: this machine may be busy."""
    digits = ["profile", "secateur.methods.networks:digits_resnet", "--input", "1,8,8"]
    assert main([*digits, "--sweep", "8", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["cuts"] == 8
    assert found["timed"] > found["known"] >= LEAST
    assert found["error"] >= 0
    (path,) = (library._path("").parent).iterdir()
    assert len(json.loads(path.read_text())) == found["known"]
    assert main([*digits, "--sweep", "1"]) == 0
    assert "too few different layers" in capsys.readouterr().out


def test_a_graph_cannot_be_swept(tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(b"")
    assert main(["profile", str(tmp_path / "model.onnx"), "--sweep", "3"]) == 2
    assert "--sweep cuts a network" in capsys.readouterr().err
