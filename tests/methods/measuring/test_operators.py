import numpy as np
import pytest

from secateur.methods.measuring.operators import operator_times
from secateur.methods.measuring.preparation import Preparation
from secateur.methods.measuring.target import Target
from secateur.methods.pruning.counts import Counts


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_layer_that_multiplies_is_timed(tiny, precision):
    prepared = Preparation(tiny.model, Target(precision=precision))(tiny.model)
    times = operator_times(prepared, runs=3)
    expected = Counts(tiny.pruner.plan, tiny.pruner.network).layers
    assert len(times) == len(expected.positions)
    assert all(one.ms >= 0 for one in times)
    weights = expected.fixed + expected.per_width @ np.array(tiny.pruner.plan.widths)
    known = {
        (*row[1:].astype(int).tolist(), int(p))
        for row, p in zip(weights, expected.positions, strict=True)
    }
    told = {(one.inputs, one.height, one.width, one.positions) for one in times}
    assert told == known


def test_a_batch_applies_layers_more_often(tiny):
    one, many = (
        sorted(
            layer.positions
            for layer in operator_times(
                Preparation(tiny.model, Target(batch=batch))(tiny.model), runs=2
            )
        )
        for batch in (1, 4)
    )
    assert many == [4 * positions for positions in one]
