import numpy as np
import onnx
import pytest

from secateur.methods.measuring.latency import Protocol
from secateur.methods.measuring.quantised import quantised
from secateur.methods.measuring.session import open_session
from secateur.methods.measuring.target import Target
from secateur.methods.measuring.target_meter import TargetMeter
from secateur.methods.pruning.onnx_graph import INPUT
from secateur.search.candidate import Estimate

SHORT = Protocol(seconds=0.01, patience=1.0)


@pytest.fixture
def images(tiny) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((40, *tiny.shape)).astype(np.float32)


@pytest.mark.parametrize("target", [Target(), Target(batch=3), Target(precision="int8")])
def test_a_network_is_timed_beside_the_dense_one(tiny, images, target):
    meter = TargetMeter(tiny.model, target, SHORT, calibration=images)
    smaller = meter(tiny.template.fill(tiny.pruner.sliced_state((1, 1))))
    for estimate in (meter.reference_ms, smaller.estimate, meter(tiny.model).estimate):
        assert 0 < estimate.low <= estimate.value <= estimate.high


def test_a_reference_that_was_timed_before_is_not_timed_again(tiny):
    known = Estimate(5.0, 4.0, 6.0)
    assert TargetMeter(tiny.model, Target(), SHORT, reference_ms=known).reference_ms is known


def test_a_quantised_graph_computes_nearly_the_same_in_int8(tiny, images):
    model = quantised(tiny.model, INPUT, images)
    operators = {node.op_type for node in onnx.load_from_string(model).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    whole, coarse = (open_session(one).run(None, {INPUT: images})[0] for one in (tiny.model, model))
    difference = np.abs(whole - coarse).max() / np.abs(whole).max()
    assert 0 < difference < 0.1
