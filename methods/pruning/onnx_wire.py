"""ONNX wire: putting tensors into a serialised model without passing them through protobuf.

A protobuf message may be written in pieces: a second `graph` field is merged into the first one by
every reader (protobuf encoding, "Last One Wins": embedded messages are merged). So a model is its
skeleton's bytes, followed by a graph that holds nothing but initialisers, and each tensor is
copied once.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

# Tags of protobuf fields: number * 8 + type, where 0 is a number and 2 is bytes.
MODEL_GRAPH, GRAPH_INITIALIZER = b"\x3a", b"\x2a"
TENSOR_DIM, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW_DATA = b"\x08", b"\x10", b"\x42", b"\x4a"


def with_initializers(skeleton: bytes, tensors: Iterable[tuple[str, NDArray[Any]]]) -> bytes:
    """Append tensors, each once and under its name, to a serialised model that lacks them."""
    pieces: list[Any] = []
    total = 0
    for name, array in tensors:
        head = _head(name, array)
        opening = GRAPH_INITIALIZER + _number(len(head) + array.nbytes) + head
        pieces += [opening, np.ascontiguousarray(array).reshape(-1).view(np.uint8)]
        total += len(opening) + array.nbytes
    return b"".join([skeleton, MODEL_GRAPH, _number(total), *pieces])


def _head(name: str, array: NDArray[Any]) -> bytes:
    """A TensorProto up to its data."""
    named = name.encode()
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return b"".join(
        [
            *(TENSOR_DIM + _number(size) for size in array.shape),
            TENSOR_TYPE + _number(kind),
            TENSOR_NAME + _number(len(named)) + named,
            TENSOR_RAW_DATA + _number(array.nbytes),
        ]
    )


def _number(value: int) -> bytes:
    """A base-128 varint, the lowest seven bits first."""
    if value < 0x80:
        return bytes((value,))
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
