import json

import pytest
import torch

import secateur
from secateur.cluster.commands.cli import main
from secateur.methods.data.photographs import photographs
from secateur.methods.models.named import IMAGENET

SQUEEZENET = "torchvision:squeezenet1_1"
SMALL = ("--input", "3,64,64")


def card_of(directory) -> dict:
    return json.loads((directory / "model.json").read_text())


def test_a_network_is_cut_certified_and_can_be_cut_further(tmp_path, capsys):
    """What is exported is a network like any other: its own widths are the dense ones."""
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert main(["cut", SQUEEZENET, "--keep", "0.5", "--to", str(once), *SMALL]) == 0
    assert "certificate   masked and sliced agree" in capsys.readouterr().out
    assert main(["cut", str(once), "--keep", "0.5", "--criterion", "fpgm", "--to", str(twice)]) == 0
    first, second = card_of(once), card_of(twice)
    assert first["certificate"]["holds"]
    assert second["certificate"]["holds"]
    assert second["dense"] == {key: first[key] for key in ("macs", "params", "memory_bytes")}
    assert second["macs"] < 0.4 * first["macs"]
    network = secateur.load(twice)
    assert sum(parameter.numel() for parameter in network.parameters()) == second["params"]
    with torch.inference_mode():
        assert network(photographs((3, 64, 64), IMAGENET)).shape == (2, 1000)


def test_any_widths_can_be_asked_for_on_the_grid_or_not(tmp_path, capsys):
    assert main(["inspect", SQUEEZENET, "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    widths = [max(1, group["width"] * 2 // 3 - 1) for group in groups]
    text = ",".join(map(str, widths))
    assert main(["cut", SQUEEZENET, "--widths", text, "--to", str(tmp_path / "net"), *SMALL]) == 0
    card = card_of(tmp_path / "net")
    assert card["widths"] == widths
    assert secateur.load(tmp_path / "net").features[0].out_channels == widths[0]


def test_inspect_tells_every_group_and_why_a_layer_stays(capsys):
    assert main(["inspect", SQUEEZENET]) == 0
    text = capsys.readouterr().out
    assert "25 groups, 349.15 M multiply-adds" in text
    assert "features.3.squeeze" in text
    assert "left alone    classifier.1: they are the network's output" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say how much to keep, by either --keep or --widths"),
        (["--keep", "0.5", "--widths", "1,2"], "by either --keep or --widths"),
        (["--keep", "0"], "--keep must lie above 0 and be at most 1, got 0.0"),
        (["--keep", "1.5"], "--keep must lie above 0 and be at most 1, got 1.5"),
        (["--widths", "1,2"], "--widths must hold 25 widths, one a group, got 2"),
        (["--widths", ",".join(["1"] * 24 + ["0"])], "can keep 1 to 256 channels, got 0"),
        (["--widths", "1,many"], "--widths expects whole numbers and commas, got '1,many'"),
        (["--keep", "0.5", "--criterion", "l3"], "'l3' is not one of 'l2', 'l1', 'fpgm'"),
        (["--keep", "0.5", "--criterion", "bn_scale"], "needs a BatchNorm with a scale"),
        (
            ["--keep", "0.5", "--recalibrate", "digits"],
            "digits has images of shape (1, 8, 8)",
        ),
        (["--keep", "0.5", "--criterion", "taylor"], "needs labelled images: name data by --recal"),
        (["--keep", "0.5", "--input", "3,64"], "--input expects channels,height,width"),
        (["--keep", "0.5", "--input", "1,64,64"], "does not take images of shape (1, 64, 64)"),
        (["--keep", "0.5", "--recalibrate", "mnist"], "no data set is called 'mnist'"),
    ],
)
def test_what_cannot_be_cut_is_refused_in_one_line(tmp_path, capsys, arguments, message):
    assert main(["cut", SQUEEZENET, "--to", str(tmp_path / "net"), *SMALL, *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "net").exists()


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "mine").write_text("precious")
    assert main(["cut", SQUEEZENET, "--keep", "0.5", "--to", str(tmp_path)]) == 2
    assert "--to must be a new or an empty folder" in capsys.readouterr().err


def test_the_published_pruned_network_keeps_its_accuracy_and_can_be_pruned_further(
    real_data, tmp_path, capsys
):
    """93.57 % on the 10,000 test images, by shapes alone (Fang et al., CVPR 2023)."""
    name, root = "cifar10:resnet56b_groupsl_pruned", ["--data-root", str(real_data)]
    scope = ["--scope", "coupled"]
    same, less = tmp_path / "same", tmp_path / "less"
    assert main(["cut", name, "--keep", "1", "--to", str(same), *root, *scope]) == 0
    capsys.readouterr()
    right = 0
    for split in ("search", "final"):
        asked = ["evaluate", str(same), "--data", "cifar10", *root, "--split", split, "--json"]
        assert main(asked) == 0
        values = json.loads(capsys.readouterr().out)
        assert values["accuracy_onnx"] == pytest.approx(values["accuracy_torch"], abs=2e-4)
        right += round(values["accuracy_torch"] * values["images"])
    assert right == 9357
    assert main(["cut", str(same), "--keep", "0.7", "--to", str(less), *root, *scope]) == 0
    assert card_of(less)["certificate"]["holds"]
    assert card_of(less)["macs"] < 0.6 * card_of(same)["macs"]
