"""ONNX wire: putting tensors into a serialised model without passing them through protobuf.

A protobuf message may be written in pieces: a second `graph` field is merged into the first one by
every reader (protobuf encoding, "Last One Wins": embedded messages are merged). So a model is its
skeleton's bytes, followed by a graph that holds nothing but initialisers, and each
tensor is copied once.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

GRAPH, INITIALIZER, RAW_DATA = b"\x3a", b"\x2a", b"\x4a"
"""Tags of ModelProto.graph (7), GraphProto.initializer (5), TensorProto.raw_data (9): bytes."""


def with_initializers(skeleton: bytes, tensors: Iterable[tuple[str, NDArray[Any]]]) -> bytes:
    """Append tensors, each once and under its name, to a serialised model that lacks them."""
    pieces: list[Any] = []
    total = 0
    for name, array in tensors:
        head = onnx.TensorProto(
            dims=array.shape,
            data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype),
            name=name,
        ).SerializeToString()
        head += RAW_DATA + _length(array.nbytes)
        opening = INITIALIZER + _length(len(head) + array.nbytes) + head
        pieces += [opening, np.ascontiguousarray(array).reshape(-1).view(np.uint8)]
        total += len(opening) + array.nbytes
    return b"".join([skeleton, GRAPH, _length(total), *pieces])


def _length(number: int) -> bytes:
    """A base-128 varint, the lowest seven bits first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
