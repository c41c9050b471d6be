import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from secateur.methods.measuring.preparation import Preparation
from secateur.methods.measuring.session import open_session
from secateur.methods.measuring.target import Target


def kinds(model: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(model).graph.node}


def test_every_session_of_a_prepared_graph_computes_the_same(tiny):
    prepared = Preparation(tiny.model, Target(batch=3))(tiny.model)
    (first,), (second,) = prepared.open()(), prepared.open()()
    np.testing.assert_array_equal(first, second)
    whole = open_session(tiny.model).run(None, prepared.inputs)[0]
    np.testing.assert_allclose(first, whole, atol=1e-5)
    assert len(first) == 3


def test_on_the_processor_a_graph_is_rewritten_once(tiny):
    prepared = Preparation(tiny.model, Target())(tiny.model)
    assert prepared.model == tiny.model
    assert "BatchNormalization" in kinds(prepared.model) - kinds(prepared.ready)


def test_int8_without_images_is_calibrated_on_random_ones(tiny):
    prepared = Preparation(tiny.model, Target(precision="int8"))(tiny.model)
    assert "QuantizeLinear" in kinds(prepared.model)
    assert np.isfinite(prepared.open()()[0]).all()


def test_int8_is_for_graphs_of_one_input():
    ins = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "ab"]
    out = helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "two", ins, [out])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(ValueError, match=r"two\.onnx has 2 inputs: int8 is for one that takes im"):
        Preparation(made.SerializeToString(), Target(precision="int8"), name="two.onnx")
