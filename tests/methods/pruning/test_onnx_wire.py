import numpy as np
import onnx
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto, helper, numpy_helper

from secateur.methods.pruning.onnx_wire import with_initializers


def skeleton() -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Add", ["y", "b"], ["z"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 200])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_onnx_runtime_reads_a_model_whose_tensors_were_appended():
    w = np.arange(600, dtype=np.float32).reshape(3, 200)
    b = np.full(200, 0.5, dtype=np.float32)
    model = with_initializers(skeleton().SerializeToString(), [("w", w), ("b", b)])
    opened = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    x = np.array([[1, 2, 3]], dtype=np.float32)
    np.testing.assert_allclose(opened.run(None, {"x": x})[0], x @ w + b)


@given(
    st.lists(
        arrays(
            st.sampled_from([np.float32, np.int64]),
            array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7),
            elements=st.integers(-5, 5),
        ),
        max_size=4,
    )
)
def test_the_bytes_are_those_that_protobuf_would_have_read(tensors):
    named = [(f"tensor{number}", array) for number, array in enumerate(tensors)]
    model = onnx.load_from_string(with_initializers(skeleton().SerializeToString(), named))
    assert [tensor.name for tensor in model.graph.initializer] == [name for name, _ in named]
    for tensor, (_, array) in zip(model.graph.initializer, named, strict=True):
        read = numpy_helper.to_array(tensor)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Add"]


def test_an_array_that_is_not_contiguous_is_written_in_its_own_order():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    model = onnx.load_from_string(with_initializers(skeleton().SerializeToString(), [("w", array)]))
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), array)
