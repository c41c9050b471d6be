"""Evaluation: the accuracy of an exported network, by PyTorch and by ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from .accuracy import Normalisation, predictions
from .datasets import load_dataset
from .exported import ONNX, load, network_card
from .images import Images
from .onnx_graph import INPUT
from .session import open_session
from .target import Target

BATCH = 50


def evaluate(directory: Path, *, data: str, root: Path | None, split: str) -> dict[str, Any]:
    """Return `accuracy_torch`, `accuracy_onnx`, `images` and the recorded error, if any."""
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
    model = open_session((directory / ONNX).read_bytes(), Target(threads=torch.get_num_threads()))
    contiguous = np.ascontiguousarray(inputs.numpy())
    by_onnx = np.concatenate(
        [
            model.run(None, {INPUT: contiguous[start : start + BATCH]})[0].argmax(axis=1)
            for start in range(0, len(contiguous), BATCH)
        ]
    )
    return {
        "split": split,
        "images": len(images),
        "accuracy_torch": float((by_torch == images.labels).mean()),
        "accuracy_onnx": float((by_onnx == images.labels).mean()),
        "error_recorded": card["objectives"]["error"]["value"] if "objectives" in card else None,
    }
