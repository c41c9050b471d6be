import numpy as np
import pytest
import torch

from secateur.methods.data.datasets import digits
from secateur.methods.data.normalisation import Normalisation
from secateur.methods.models.evaluation import evaluate
from secateur.methods.models.exported import build, save
from secateur.methods.pruning.onnx_graph import export

FACTORY = "secateur.methods.networks:ResNet"


def card(channels: int) -> dict:
    return {
        "factory": FACTORY,
        "arguments": {"blocks": 1, "widths": [4], "in_channels": channels, "classes": 10},
        "input": [channels, 8, 8],
        "normalisation": {"mean": [0.3], "std": [0.4]},
        "objectives": {"error": {"value": 0.25}},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("evaluation") / "network"
    network = build(FACTORY, card(1)["arguments"]).eval()
    save(directory, network, export(network, torch.zeros(1, 1, 8, 8)), card(1))
    return directory


@pytest.mark.parametrize("split", ["search", "final"])
def test_an_export_is_as_accurate_in_pytorch_as_in_onnx_runtime(folder, split):
    images = getattr(digits(), split)
    network = build(FACTORY, card(1)["arguments"]).eval()
    with torch.inference_mode():
        answers = network(Normalisation((0.3,), (0.4,))(images)).argmax(dim=1).numpy()
    accuracy = float(np.mean(answers == images.labels))
    assert evaluate(folder, data="digits", split=split, root=None) == {
        "split": split,
        "images": 500,
        "accuracy_torch": pytest.approx(accuracy),
        "accuracy_onnx": pytest.approx(accuracy),
        "error_recorded": 0.25,
    }


def test_data_of_another_shape_is_refused(tmp_path):
    network = build(FACTORY, card(3)["arguments"])
    save(tmp_path / "network", network, b"", card(3))
    with pytest.raises(
        ValueError, match=r"takes images of shape \[3, 8, 8\], digits has \[1, 8, 8\]"
    ):
        evaluate(tmp_path / "network", data="digits", split="search", root=None)
