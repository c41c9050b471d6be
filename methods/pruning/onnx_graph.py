"""ONNX graph: exported once from the dense network, filled with each candidate's tensors.

The exporter names initialisers as the state dict does; the template keeps BatchNorm unfolded, so
that slicing a tensor is all it takes to slice the graph.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn

from ..tensors.weights import State, state_of
from .onnx_wire import with_initializers

INPUT, OUTPUT = "images", "logits"


class OnnxTemplate:
    """The dense network's graph, whose weights are replaced at will."""

    def __init__(self, model: bytes) -> None:
        self._skeleton = onnx.load_from_string(model)
        self._initializers = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in self._skeleton.graph.initializer
        }
        del self._skeleton.graph.initializer[:]
        self._grouped = [
            (attribute, node.input[1], len(self._initializers[node.input[1]]) // attribute.i)
            for node in self._skeleton.graph.node
            for attribute in node.attribute
            if node.op_type == "Conv" and attribute.name == "group" and attribute.i > 1
        ]

    def fill(self, state: State) -> bytes:
        """Return the serialised model that holds these tensors; its own constants stay."""
        self._set_groups({weight: tuple(state[weight].shape) for _, weight, _ in self._grouped})
        return with_initializers(
            self._skeleton.SerializeToString(),
            (
                (name, state[name].detach().cpu().numpy() if name in state else constant)
                for name, constant in self._initializers.items()
            ),
        )

    def outline(self, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
        """Return the model with weights of these shapes and no data in them."""
        self._set_groups(shapes)
        model = onnx.ModelProto()
        model.CopyFrom(self._skeleton)
        for name, constant in self._initializers.items():
            if name in shapes:
                model.graph.initializer.add(
                    name=name, dims=shapes[name], data_type=TensorProto.FLOAT
                )
            else:
                model.graph.initializer.append(numpy_helper.from_array(constant, name))
        return model

    def _set_groups(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """A grouped convolution loses whole groups: each keeps the outputs that it has."""
        for attribute, weight, outputs in self._grouped:
            attribute.i = shapes[weight][0] // outputs


def export(network: nn.Module, example: Tensor) -> bytes:
    """Export a network in evaluation mode, with a free batch size, all its tensors by name."""
    import onnxscript.optimizer  # half a second, and only an export needs it

    batch = torch.export.Dim("batch")
    quiet = contextlib.redirect_stdout(io.StringIO())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example.expand(2, *example.shape[1:]),),
                dynamo=True,
                optimize=False,  # it would fold BatchNorm into the convolutions
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: batch},),
                verbose=False,
            )
    except Exception as error:
        raise ValueError(
            f"cannot export {type(network).__name__} to ONNX: {type(error).__name__}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    assert program is not None
    model = program.model_proto
    state = state_of(network)
    onnxscript.optimizer.fold_constants(
        model,
        should_fold=lambda node: (
            False
            if any(value is not None and value.name in state for value in node.inputs)
            else None
        ),
    )
    _free_flattening(model)
    onnxscript.optimizer.remove_unused_nodes(model)
    _drop_zero_biases(model, state)
    _check_names(model, network, state)
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    return bytes(model.SerializeToString())


def _free_flattening(model: onnx.ModelProto) -> None:
    """Write flattening as (0, -1), which is right for any width."""
    graph = model.graph
    makers = {node.output[0]: node for node in graph.node}
    constants = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.INT64
    }
    for node in graph.node:
        if node.op_type == "Constant":
            value = onnx.helper.get_attribute_value(node.attribute[0])
            is_tensor = isinstance(value, TensorProto)
            constants[node.output[0]] = numpy_helper.to_array(value) if is_tensor else value
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    for node in list(graph.node):
        shape = makers.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or shape.op_type != "Concat":
            continue
        batch, *rest = shape.input
        if batch in constants or any(name not in constants for name in rest):
            continue
        sizes = [int(size) for name in rest for size in np.ravel(constants[name])]
        if len(sizes) != 1 or not _is_batch_of(shapes.get(node.input[0]), sizes[0]):
            continue
        name = f"{node.output[0]}_shape"
        target = np.array([0, -1], dtype=np.int64)
        graph.initializer.append(numpy_helper.from_array(target, name))
        node.input[1] = name
        del node.attribute[:]  # allowzero: here 0 means "as it was"


def _is_batch_of(shape: Sequence[onnx.TensorShapeProto.Dimension] | None, size: int) -> bool:
    """Whether an activation has a free first dimension, and `size` elements beside it."""
    if not shape or shape[0].HasField("dim_value"):
        return False
    return bool(np.prod([dim.dim_value for dim in shape[1:]]) == size)


def _drop_zero_biases(model: onnx.ModelProto, state: State) -> None:
    """Remove the exporter's own all-zero biases: their length would have to follow the widths."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    dropped = set()
    for node in model.graph.node:
        if node.op_type != "Conv" or len(node.input) < 3 or node.input[2] in state:
            continue
        bias = initializers.get(node.input[2])
        if bias is not None and not numpy_helper.to_array(bias).any():
            dropped.add(bias.name)
            del node.input[2]
    kept = [tensor for name, tensor in initializers.items() if name not in dropped]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _check_names(model: onnx.ModelProto, network: nn.Module, state: State) -> None:
    """Every tensor of the network must be there under its own name, and no other big constant."""
    there = {tensor.name: tensor for tensor in model.graph.initializer}
    if absent := [name for name in state if name not in there]:
        raise ValueError(
            f"the ONNX export of {type(network).__name__} lost {absent[0]} "
            f"({len(absent)} tensors in all): such a network cannot be sliced in ONNX"
        )
    for name, tensor in there.items():
        if name not in state and tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            raise ValueError(
                f"the ONNX export of {type(network).__name__} holds {name}, a constant of shape "
                f"{tuple(tensor.dims)} that is no weight: its channels could not be followed"
            )
