import json
import re
import sys

import numpy as np
import pytest
import torch

from secateur.cluster.commands.cli import INTERRUPTED, main
from secateur.cluster.profiling import profile as profiling
from secateur.methods.measuring.resident import resident_bytes
from secateur.methods.measuring.target import Target
from secateur.methods.pruning.onnx_graph import export

QUICK = "seconds=0.01,patience=1"


@pytest.fixture
def graphs(tiny, tmp_path):
    """The dense network's file, and that of one that is cut to almost nothing."""
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    whole.write_bytes(tiny.model)
    small.write_bytes(tiny.template.fill(tiny.pruner.sliced_state((1, 1))))
    return whole, small


def test_a_graph_is_profiled_on_every_target_that_is_named(graphs, capsys):
    whole, _ = graphs
    targets = ["--target", QUICK, "--target", f"batch=4,precision=int8,{QUICK}"]
    assert main(["profile", str(whole), *targets, "--json"]) == 0
    plain, coarse = json.loads(capsys.readouterr().out)
    for found in (plain, coarse):
        latency = found["latency_ms"]
        assert 0 < latency["low"] <= latency["value"] <= latency["high"]
        assert found["resident_bytes"] > 0
        assert found["images_per_s"] == pytest.approx(
            1e3 * found["device"]["batch"] / latency["value"]
        )
    assert coarse["device"]["precision"] == "int8"


def test_memory_is_what_can_be_counted_by_hand(tiny, graphs, capsys):
    whole, _ = graphs
    targets = [
        "--target",
        QUICK,
        "--target",
        f"batch=4,{QUICK}",
        "--target",
        f"precision=int8,{QUICK}",
    ]
    assert main(["profile", str(whole), *targets, "--json"]) == 0
    plain, many, coarse = json.loads(capsys.readouterr().out)
    elements = sum(tensor.numel() for tensor in tiny.pruner.state.values())
    assert plain["weight_bytes"] == pytest.approx(4 * elements, abs=256)
    assert coarse["weight_bytes"] < 0.5 * plain["weight_bytes"]
    peaks = [found["peak_activation_bytes"] for found in (plain, many)]
    assert peaks[1] == pytest.approx(4 * peaks[0], rel=0.01)  # what shapes take does not grow
    assert "peak_activation_bytes" not in coarse


def test_a_person_reads_what_was_measured_and_on_what(graphs, capsys):
    whole, _ = graphs
    assert main(["profile", str(whole), "--target", QUICK]) == 0
    text = capsys.readouterr().out
    assert f"{whole} on " in text
    for word in ("latency", "sittings", "images/s", "weights", "activations", "resident", "energy"):
        assert word in text


def test_energy_is_told_where_it_is_counted(graphs, capsys, monkeypatch):
    class Counter:
        name = "a counter"
        spent = 0.0

        def joules(self) -> float:
            self.spent += 1.0
            return self.spent

    monkeypatch.setattr(profiling, "energy_counter", lambda _: Counter())
    whole, _ = graphs
    assert main(["profile", str(whole), "--target", QUICK]) == 0
    assert "mJ a call (a counter)" in capsys.readouterr().out


def test_two_graphs_are_compared_in_turns(tiny, tmp_path, graphs, capsys):
    """Four hundred images take longer than one, whatever the machine does meanwhile."""
    whole, _ = graphs

    class Wide(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = tiny.pruner.network

        def forward(self, images):
            return self.network(images.repeat(400, 1, 1, 1))

    wide = tmp_path / "wide.onnx"
    torch.manual_seed(0)
    wide.write_bytes(export(Wide().eval(), torch.zeros(1, *tiny.shape)))
    assert main(["compare", str(wide), str(whole), "--target", QUICK, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "faster"
    assert found["ratio"]["high"] < 0.5
    assert main(["compare", str(whole), str(wide), "--target", QUICK]) == 0
    assert f"{wide} is slower than {whole}: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{whole}", "--target", "batch=0"], "--target: batch: .*greater than or equal to 1"),
        (["{whole}", "--target", "bach=2"], "unknown key bach: did you mean batch?"),
        (["{whole}", "--target", "threads"], "--target expects key=value, got 'threads'"),
        (["{whole}", "--target", "provider=cdua"], "no provider is called 'cdua'"),
        (["{whole}", "--target", "provider=qnn"], "the provider qnn is not installed"),
        (["{broken}"], "ONNX Runtime cannot load .*broken.onnx"),
        (["{absent}"], "no file at .*absent.onnx"),
        (["nothing"], "'nothing' is no model"),
        (["{whole}", "--size", "height"], "--size expects key=value, got 'height'"),
        (["{whole}", "--size", "height=0"], "--size height expects a whole number from 1 on"),
        (["{whole}", "--sweep", "1", "--size", "height=1"], "--size is for .*, not for --sweep"),
    ],
)
def test_what_cannot_be_profiled_is_named_in_one_line(tmp_path, graphs, capsys, arguments, told):
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    names = {
        "whole": graphs[0],
        "broken": tmp_path / "broken.onnx",
        "absent": tmp_path / "absent.onnx",
    }
    assert main(["profile", *(text.format(**names) for text in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(told, error)


def test_an_interrupted_measurement_ends_with_one_line(graphs, capsys, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(profiling, "alone", interrupted)
    assert main(["profile", str(graphs[0])]) == INTERRUPTED
    assert capsys.readouterr().err.strip() == "secateur: stopped"


def test_the_memory_of_a_bigger_batch_is_seen_from_outside(tiny):
    if not sys.platform.startswith("linux"):
        pytest.skip("the peak can be forgotten on Linux alone")
    one, many = (resident_bytes(tiny.model, Target(batch=batch)) for batch in (1, 20_000))
    assert many - one > 20_000 * 4 * np.prod(tiny.shape)
