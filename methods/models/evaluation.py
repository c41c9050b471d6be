"""Evaluation: the accuracy of an exported network, by PyTorch and by ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...search.candidate import Estimate
from ..data.datasets import load_dataset
from ..data.images import Images
from ..data.normalisation import Normalisation
from ..measuring.session import open_session
from ..measuring.target import Target
from ..pruning.onnx_graph import INPUT
from .accuracy import error_estimate, predictions
from .exported import INT8, ONNX, load, network_card

BATCH = 50


def evaluate(directory: Path, *, data: str, root: Path | None, split: str) -> dict[str, Any]:
    """Return `accuracy_torch`, `accuracy_onnx`, `images` and the recorded error, if any.

    `accuracy_int8` is there where the network was handed out in int8 as well.
    """
    card = network_card(directory)
    dataset = load_dataset(data, root)
    if list(dataset.shape) != card["input"]:
        raise ValueError(
            f"{directory} takes images of shape {card['input']}, "
            f"{data} has {list(dataset.shape)}: name the data it was made for"
        )
    images: Images = getattr(dataset, split)
    normalisation = Normalisation(
        tuple(card["normalisation"]["mean"]), tuple(card["normalisation"]["std"])
    )
    inputs = normalisation(images)
    by_torch = predictions(load(directory), inputs, batch=BATCH).numpy()
    graphs = {"accuracy_onnx": ONNX, "accuracy_int8": INT8}
    by_onnx = {
        name: _answers((directory / file).read_bytes(), inputs)
        for name, file in graphs.items()
        if (directory / file).exists()
    }
    return {
        "split": split,
        "images": len(images),
        "accuracy_torch": float((by_torch == images.labels).mean()),
        **{name: float((found == images.labels).mean()) for name, found in by_onnx.items()},
        "error_recorded": card["objectives"]["error"]["value"] if "objectives" in card else None,
    }


def graph_error(model: bytes, normalisation: Normalisation, images: Images) -> Estimate:
    """Return the share of images that a graph takes for something else, in ONNX Runtime."""
    wrong = _answers(model, normalisation(images)) != images.labels
    return error_estimate(int(wrong.sum()), len(images))


def _answers(model: bytes, inputs: torch.Tensor) -> NDArray[np.int64]:
    """The classes that a graph names, in ONNX Runtime on this process's threads."""
    session = open_session(model, Target(threads=torch.get_num_threads()))
    contiguous = np.ascontiguousarray(inputs.numpy())
    return np.concatenate(
        [
            session.run(None, {INPUT: contiguous[start : start + BATCH]})[0].argmax(axis=1)
            for start in range(0, len(contiguous), BATCH)
        ]
    )
