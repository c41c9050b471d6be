"""Memory: what a network's ONNX graph needs, as a function of the widths.

The footprint is the weights plus the largest sum of activations that are alive at one time when
the nodes run in graph order and every result is freed after its last reader. In-place operations
and fusions of a runtime save some of that; they are not counted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.numpy_helper import to_array

from .onnx_graph import OnnxTemplate
from .plan import Plan

FLOAT_BYTES = 4


class MemoryModel:
    """The footprint of any widths, from one probe of the graph for each group.

    Every activation's size is linear in the widths, as only its channels change: the dense graph
    and one graph with a single group at half width tell the slopes.
    """

    def __init__(
        self,
        plan: Plan,
        shapes: Mapping[str, Sequence[int]],
        template: OnnxTemplate,
        *,
        shape: tuple[int, ...],
    ) -> None:
        """Take the dense tensors' `shapes` by name, and the `shape` of one image."""
        dense = plan.widths
        model = template.outline(shapes)
        at_dense = activation_sizes(model, shape)
        names = sorted(at_dense)
        base = np.array([at_dense[name] for name in names], dtype=np.float64)
        slopes = np.zeros((len(names), len(dense)))
        for group, width in enumerate(dense):
            if width == 1:
                continue
            probe = [*dense[:group], width // 2, *dense[group + 1 :]]
            sizes = activation_sizes(template.outline(plan.shapes(shapes, probe)), shape)
            change = np.array([sizes[name] for name in names]) - base
            slopes[:, group] = change / (width // 2 - width)
        self._offset = base - slopes @ dense
        self._slopes = slopes
        self._alive = _lifetimes(model.graph, names)

    def peak_activation_bytes(self, genomes: NDArray[np.int64], batch: int) -> NDArray[np.float64]:
        """Return the peak for genomes of shape (genomes, groups), shape (genomes,)."""
        sizes = genomes @ self._slopes.T + self._offset
        peaks: NDArray[np.float64] = (sizes @ self._alive.T).max(axis=1)
        return peaks * batch * FLOAT_BYTES


def activation_sizes(model: onnx.ModelProto, shape: Sequence[int]) -> dict[str, int]:
    """Elements of every float activation for one image of the shape (channels, height, width).

    What is computed from weights alone, such as their transpose, is no activation.
    """
    _set_shape(model.graph.input[0], (1, *shape))
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    sizes: dict[str, int] = {}
    constants = {tensor.name for tensor in inferred.initializer}
    for node in inferred.node:
        if all(name in constants for name in node.input):
            constants.update(node.output)
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        if value.name in constants or value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        # What stays unknown is the batch, carried through a reshape: one image.
        sizes[value.name] = int(
            np.prod([dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim])
        )
    return sizes


def weight_bytes(model: bytes) -> int:
    """Return the bytes of a graph's weights."""
    weights = onnx.load_from_string(model).graph.initializer
    return sum(len(to_array(tensor).tobytes()) for tensor in weights)


def peak_activation_bytes(model: bytes, shapes: Mapping[str, Sequence[int]]) -> int:
    """Return the bytes of a graph's activations at their peak, for inputs of `shapes`.

    ValueError where the shapes of activations cannot be told.
    """
    read = onnx.load_from_string(model)
    for value in read.graph.input:
        _set_shape(value, shapes[value.name])
    try:
        inferred = onnx.shape_inference.infer_shapes(read, strict_mode=True, data_prop=True).graph
    except Exception as error:  # onnx has no exception class of its own to name
        raise ValueError(f"the shapes of the activations cannot be told: {error}") from error
    sizes = {
        value.name: _bytes_of(value.type.tensor_type)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    names = sorted(sizes)
    alive = _lifetimes(inferred, names)
    return int((alive @ np.array([sizes[name] for name in names])).max())


def _bytes_of(kind: onnx.TypeProto.Tensor) -> int:
    elements = int(np.prod([dim.dim_value or 1 for dim in kind.shape.dim]))
    return elements * int(tensor_dtype_to_np_dtype(kind.elem_type).itemsize)


def _set_shape(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size


def _lifetimes(graph: onnx.GraphProto, names: Sequence[str]) -> NDArray[np.float64]:
    """1 where an activation is alive while a node runs, shape (nodes, activations).

    Nodes that hold no more than another one are left out: they are never the peak.
    """
    last = len(graph.node) - 1
    born = {value.name: 0 for value in graph.input}
    dies: dict[str, int] = {}
    for step, node in enumerate(graph.node):
        for name in node.output:
            born[name] = step
        for name in node.input:
            dies[name] = step
    for output in graph.output:
        dies[output.name] = last
    alive = np.zeros((len(graph.node), len(names)))
    for column, name in enumerate(names):
        if name in born:
            alive[born[name] : dies.get(name, born[name]) + 1, column] = 1.0
    rows = np.unique(alive, axis=0)
    contained = rows @ (1 - rows).T == 0  # row i holds nothing that row j does not
    maximal: NDArray[np.float64] = rows[contained.sum(axis=1) == 1]
    return maximal
