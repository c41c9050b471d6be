import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from secateur.methods.models.exported import build, load, read_card, save
from secateur.methods.tensors.weights import state_of

FACTORY = "secateur.methods.networks:ResNet"
CARD = {
    "factory": FACTORY,
    "arguments": {"blocks": 1, "widths": [4, 8], "in_channels": 3, "classes": 5},
    "note": "anything else",
}


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """An exported network of widths (2, 5)."""
    network = tiny.pruner.cut((2, 5))
    save(tmp_path / "network", network, tiny.template.fill(state_of(network)), CARD)
    return tmp_path / "network"


def test_a_network_computes_the_same_after_a_round_trip(tiny, folder):
    with torch.inference_mode():
        loaded, cut = load(folder)(tiny.images), tiny.pruner.cut((2, 5))(tiny.images)
    assert torch.equal(loaded, cut)


def test_a_network_of_another_memory_layout_is_written_all_the_same(tiny, tmp_path):
    network = tiny.pruner.cut((2, 5)).to(memory_format=torch.channels_last)
    save(tmp_path / "network", network, b"", CARD)
    loaded = state_of(load(tmp_path / "network"))
    assert all(torch.equal(loaded[name], t) for name, t in state_of(network).items())


def test_a_loaded_network_is_in_evaluation_mode(folder):
    assert not load(folder).training


def test_the_card_comes_back_with_its_format(folder):
    assert read_card(folder) == {"format": 1, **CARD}


def test_an_export_is_three_files_and_no_pickle(folder):
    assert sorted(file.name for file in folder.iterdir()) == [
        *["model.json", "model.onnx", "model.safetensors"]
    ]


def test_a_second_export_replaces_the_first_whole(tiny, folder):
    (folder / "leftover").touch()
    save(folder, tiny.pruner.cut((1, 1)), b"onnx", CARD | {"note": "second"})
    assert read_card(folder)["note"] == "second"
    assert not (folder / "leftover").exists()
    assert [entry.name for entry in folder.parent.iterdir()] == ["network"]


def test_a_half_written_folder_is_never_visible(tiny, tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "network", tiny.network, b"onnx", CARD)
    assert not (tmp_path / "network").exists()


@pytest.mark.parametrize("card", [CARD | {"note": object()}])
def test_a_failed_export_leaves_the_old_one(tiny, folder, card):
    with pytest.raises(TypeError):
        save(folder, tiny.network, b"onnx", card)
    assert read_card(folder)["note"] == "anything else"
    assert load(folder).get_submodule("layer1.0").conv1.out_channels == 2


def test_what_an_interrupted_export_left_does_not_stand_in_the_way(tiny, tmp_path):
    (tmp_path / "network.partial").mkdir()
    (tmp_path / "network.partial" / "half").touch()
    save(tmp_path / "network", tiny.network, b"onnx", CARD)
    assert [entry.name for entry in tmp_path.iterdir()] == ["network"]
    assert not (tmp_path / "network" / "half").exists()


def test_a_folder_without_a_network_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"holds no exported network: expected model\.json"):
        load(tmp_path)


@pytest.mark.parametrize("card", [{**CARD, "format": 2}, CARD, [], None])
def test_another_format_is_refused(folder, card):
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"has format (2|None), this version reads 1"):
        load(folder)


def test_a_card_that_is_no_json_is_refused(folder):
    (folder / "model.json").write_text("{")
    with pytest.raises(ValueError, match=r"model\.json is no JSON"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_weights_that_cannot_be_read_are_named(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*model\.safetensors"):
        load(folder)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*model\.safetensors"):
        load(folder)


def test_weights_that_lack_a_tensor_are_refused(folder):
    state = load_file(folder / "model.safetensors")
    del state["linear.weight"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"linear\.weight"):
        load(folder)


def test_building_a_network_leaves_torchs_own_generator_alone():
    state = torch.get_rng_state()
    build(FACTORY, CARD["arguments"])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_factory_builds_the_same_network_every_time():
    one, other = (build(FACTORY, CARD["arguments"]).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_factory_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"must return a torch\.nn\.Module, got dict"):
        build("builtins:dict", {})
