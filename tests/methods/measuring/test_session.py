import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from secateur.methods.measuring.session import (
    installed,
    open_session,
    random_inputs,
    require_provider,
    rewritten,
)
from secateur.methods.measuring.target import Target


@pytest.mark.parametrize("name", ["threads", "batch"])
def test_a_target_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        Target(**{name: 0})


def test_the_processor_is_always_there():
    assert installed()["cpu"] == "CPUExecutionProvider"


def test_a_provider_that_is_not_installed_is_named_with_those_that_are():
    with pytest.raises(ValueError, match=r"the provider qnn is not installed: .* here has .*cpu"):
        require_provider(Target(provider="qnn"))


def test_a_provider_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(
        ValueError, match=r"no provider is called 'cdua': .* has .*; others are .*cuda"
    ):
        require_provider(Target(provider="cdua"))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_session_runs_on_as_many_threads_as_asked(tiny, threads):
    options = open_session(tiny.model, Target(threads=threads)).get_session_options()
    assert options.intra_op_num_threads == threads
    assert options.inter_op_num_threads == 1


def test_the_level_of_optimisation_is_the_targets(tiny):
    options = open_session(tiny.model, Target(optimisation="basic")).get_session_options()
    assert options.graph_optimization_level == (onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)


@pytest.mark.parametrize("content", [b"", b"no model at all"])
def test_what_does_not_load_is_named(content):
    with pytest.raises(ValueError, match=r"ONNX Runtime cannot load broken\.onnx: "):
        open_session(content, name="broken.onnx")


def test_a_rewritten_graph_has_batchnorm_folded(tiny):
    def kinds(model: bytes) -> set[str]:
        return {node.op_type for node in onnx.load_from_string(model).graph.node}

    assert "BatchNormalization" in kinds(tiny.model)
    assert "BatchNormalization" not in kinds(rewritten(tiny.model, Target(optimisation="basic")))


def model(*inputs: tuple[str, int, list]) -> onnxruntime.InferenceSession:
    """A model that passes its inputs on."""
    values = [helper.make_tensor_value_info(*one) for one in inputs]
    outs = [helper.make_tensor_value_info(f"{n}_out", kind, shape) for n, kind, shape in inputs]
    nodes = [helper.make_node("Identity", [n], [f"{n}_out"]) for n, _, _ in inputs]
    graph = helper.make_graph(nodes, "passing", values, outs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return open_session(made.SerializeToString())


def test_inputs_of_any_model_are_drawn_by_type_and_shape():
    inputs = random_inputs(
        model(
            ("image", TensorProto.FLOAT, ["batch", 3, "height", 4]),
            ("tokens", TensorProto.INT64, ["batch", 7]),
        ),
        2,
        {"height": 5},
    )
    assert inputs["image"].shape == (2, 3, 5, 4)
    assert inputs["image"].dtype == np.float32
    assert inputs["image"].std() == pytest.approx(1.0, abs=0.3)
    assert inputs["tokens"].shape == (2, 7)
    assert not inputs["tokens"].any()


def test_a_size_that_is_missing_is_asked_for():
    free = model(("image", TensorProto.FLOAT, ["batch", 3, "height", 4]))
    with pytest.raises(ValueError, match=r"dimension 2 of the input image is free.*--size height"):
        random_inputs(free, 1)
