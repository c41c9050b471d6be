"""ONNX graph: exported once from the dense network, filled with each candidate's tensors.

The exporter names initialisers as the state dict does; the template keeps BatchNorm unfolded, so
that slicing a tensor is all it takes to slice the graph.
"""

import contextlib
import io
import logging
import warnings

import numpy as np
import onnx
import onnxscript.optimizer
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn

from .weights import State, state_of

INPUT, OUTPUT = "images", "logits"


class OnnxTemplate:
    """The dense network's graph, whose weights are replaced at will."""

    def __init__(self, model: bytes) -> None:
        self._skeleton = onnx.load_from_string(model)
        self._initializers = list(self._skeleton.graph.initializer)
        del self._skeleton.graph.initializer[:]

    def fill(self, state: State) -> bytes:
        """Return the serialised model that holds these tensors; its own constants stay."""
        model = onnx.ModelProto()
        model.CopyFrom(self._skeleton)
        for tensor in self._initializers:
            if tensor.name in state:
                array = np.ascontiguousarray(state[tensor.name].detach().cpu().numpy())
                tensor = numpy_helper.from_array(array, tensor.name)
            model.graph.initializer.append(tensor)
        return bytes(model.SerializeToString())


def export(network: nn.Module, example: Tensor) -> bytes:
    """Export a network in evaluation mode, with a free batch size, all its tensors by name."""
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
    onnxscript.optimizer.fold_constants(model)
    onnxscript.optimizer.remove_unused_nodes(model)
    state = state_of(network)
    _drop_zero_biases(model, state)
    _check_names(model, network, state)
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    return bytes(model.SerializeToString())


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
