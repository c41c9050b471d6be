"""Quantised: a graph in int8, by ONNX Runtime's static quantisation with calibration images.

Weights have a scale for each output channel, activations one each, between the least and the
largest value on the calibration images (QDQ form; BatchNorm is folded into the convolutions first).
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from .session import rewritten
from .target import Target

CALIBRATION_IMAGES = 64
BATCH = 16


def quantised(model: bytes, name: str, images: NDArray[np.float32]) -> bytes:
    """Return a graph in int8, calibrated on what its input `name` is fed.

    `images` are normalised, shape (images, channels, height, width).
    """
    with tempfile.TemporaryDirectory() as folder:
        simple, quantised = Path(folder) / "simple.onnx", Path(folder) / "int8.onnx"
        simple.write_bytes(rewritten(model, Target(optimisation="basic")))
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it recommends a pass that has been made
        try:
            quantize_static(
                simple,
                quantised,
                _Fed(name, images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logger.setLevel(level)
        return quantised.read_bytes()


class _Fed(CalibrationDataReader):  # type: ignore[misc]
    """Feeds images by the batch."""

    def __init__(self, name: str, images: NDArray[np.float32]) -> None:
        self._batches = iter(
            [{name: images[start : start + BATCH]} for start in range(0, len(images), BATCH)]
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next batch, or None after the last."""
        return next(self._batches, None)
