import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from secateur.methods.latency import LatencyMeter, Protocol, median_estimate, session
from secateur.search.candidate import Estimate

SHORT = Protocol(seconds=0.0)


@pytest.mark.parametrize("name", ["threads", "batch"])
def test_a_measurement_on_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        Protocol(**{name: 0})


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=80))
def test_the_median_lies_in_its_interval_and_that_among_the_values(values):
    estimate = median_estimate(np.array(values))
    assert estimate.value == np.median(values)
    assert estimate.low in values
    assert estimate.high in values


@given(st.permutations(range(20)))
def test_the_order_of_the_values_does_not_matter(values):
    assert median_estimate(np.array(values, float)) == median_estimate(np.arange(20.0))


def test_many_values_have_a_narrow_interval():
    estimate = median_estimate(np.arange(10_001.0))
    assert estimate.value == 5000.0
    assert (estimate.low, estimate.high) == (pytest.approx(4902, abs=1), pytest.approx(5098, abs=1))


def test_fifteen_values_leave_out_the_extremes():
    estimate = median_estimate(np.arange(15.0))
    assert estimate == Estimate(7.0, 3.0, 11.0)  # ranks 4 and 12: a coverage of 96.5 %


def coverage(count: int) -> float:
    """How often the interval holds the true median, whatever the distribution."""
    estimate = median_estimate(np.arange(count, dtype=float))
    return float(binom.cdf(estimate.high, count, 0.5) - binom.cdf(estimate.low, count, 0.5))


def test_the_interval_holds_the_true_median_in_95_of_100_cases():
    assert min(coverage(count) for count in range(6, 200)) >= 0.95


def test_the_interval_is_not_wider_than_it_needs_to_be():
    assert max(coverage(count) for count in range(15, 200)) < 0.985


@pytest.mark.parametrize("threads", [1, 2])
def test_a_session_runs_on_as_many_threads_as_asked(tiny, threads):
    options = session(tiny.model, threads).get_session_options()
    assert options.intra_op_num_threads == threads
    assert options.inter_op_num_threads == 1


def test_a_model_is_timed_with_an_interval(tiny):
    meter = LatencyMeter(tiny.model, tiny.shape, SHORT)
    smaller = tiny.template.fill(tiny.pruner.sliced_state((1, 1)))
    for estimate in (meter.reference_ms, meter(smaller), meter(tiny.model)):
        assert 0 < estimate.low <= estimate.value <= estimate.high


def test_a_reference_that_was_timed_before_is_not_timed_again(tiny):
    known = Estimate(5.0, 4.0, 6.0)
    assert LatencyMeter(tiny.model, tiny.shape, SHORT, reference_ms=known).reference_ms is known


def test_latencies_are_told_in_multiples_of_the_reference(tiny, monkeypatch):
    meter = LatencyMeter(tiny.model, tiny.shape, SHORT, reference_ms=Estimate.exact(8.0))
    reference = meter._reference
    monkeypatch.setattr(meter, "_time", lambda model, *_: 0.002 if model is reference else 0.001)
    assert meter(tiny.model) == Estimate(4.0, 4.0, 4.0)


def test_a_machine_that_slows_down_while_it_measures_does_not_change_the_ratio(tiny, monkeypatch):
    meter = LatencyMeter(tiny.model, tiny.shape, SHORT, reference_ms=Estimate.exact(8.0))
    reference, now = meter._reference, 0.0

    def time(model: object, *_: object) -> float:
        nonlocal now
        now += 1.0
        return now * (2.0 if model is reference else 1.0)

    monkeypatch.setattr(meter, "_time", time)
    estimate = meter(tiny.model)
    assert (estimate.low, estimate.high) == pytest.approx((4.0, 4.0))


def test_the_model_is_fed_batches_of_the_protocols_size(tiny):
    meter = LatencyMeter(
        tiny.model, tiny.shape, Protocol(batch=3, seconds=0.0), reference_ms=Estimate.exact(1.0)
    )
    assert meter._inputs["images"].shape == (3, *tiny.shape)
