"""Models that take as long as a test says, by a clock that the test moves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, t

from secateur.methods.measuring.latency import (
    LEAST_SITTINGS,
    ROUNDS,
    ClockError,
    LatencyMeter,
    Protocol,
    compare,
    mean_estimate,
)
from secateur.search.candidate import Estimate

SHORT = Protocol(seconds=0.01, patience=1.0, wander=0.0)


class Machine:
    """A clock, and models on it: `slowness` is what all of them take longer, `opened` counts."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slowness = 1.0
        self.opened = 0
        self.calls = 0

    def clock(self) -> float:
        return self.time

    def model(self, seconds, *, opening: float = 0.0):
        """A model whose calls take these seconds, or what a function of the session tells."""

        def opened():
            self.opened += 1
            self.time += opening
            mine = seconds(self.opened) if callable(seconds) else seconds

            def call() -> None:
                self.calls += 1
                self.time += self.slowness * mine

            return call

        return opened


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_the_ratio_of_two_models_is_that_of_their_calls(machine):
    found = compare(machine.model(0.002), machine.model(0.001), SHORT, clock=machine.clock)
    assert found.ratio.value == pytest.approx(0.5)
    assert (found.one_ms, found.other_ms) == (pytest.approx(2.0), pytest.approx(1.0))
    assert found.verdict == "faster"


def test_a_model_beside_itself_is_neither_faster_nor_slower(machine):
    rng = np.random.default_rng(0)
    noisy = machine.model(lambda _: 0.002 * rng.lognormal(0, 0.02))
    assert compare(noisy, noisy, SHORT, clock=machine.clock).verdict == "cannot tell"


def test_a_slower_model_is_called_so(machine):
    found = compare(machine.model(0.002), machine.model(0.003), SHORT, clock=machine.clock)
    assert found.verdict == "slower"


def test_a_machine_that_becomes_slower_and_slower_does_not_change_the_ratio():
    class Tiring(Machine):
        @property
        def slowness(self) -> float:
            return 1.0 + self.time

        @slowness.setter
        def slowness(self, _: float) -> None: ...

    tiring = Tiring()
    protocol = Protocol(seconds=0.5, patience=1.0)
    found = compare(tiring.model(0.002), tiring.model(0.001), protocol, clock=tiring.clock)
    assert tiring.slowness > 1.5
    assert found.ratio.value == pytest.approx(0.5, rel=0.01)


def test_the_luck_of_a_session_widens_the_interval(machine):
    """Calls of one session are all alike here: only fresh sessions show what they differ by."""
    rng = np.random.default_rng(1)
    lucky = machine.model(lambda _: 0.001 * rng.lognormal(0, 0.01))
    found = compare(machine.model(0.002), lucky, SHORT, clock=machine.clock)
    width = (found.ratio.high - found.ratio.low) / found.ratio.value
    expected = 2 * t.ppf(0.975, found.sittings - 1) * 0.01 / math.sqrt(found.sittings)
    assert 0.4 * expected < width < 2 * expected


def test_what_takes_long_to_open_is_opened_once(machine):
    slow = machine.model(0.002, opening=5.0)
    compare(slow, machine.model(0.001), SHORT, clock=machine.clock)
    opened = machine.opened
    assert opened < 2 * LEAST_SITTINGS
    machine.opened = 0
    compare(machine.model(0.002), machine.model(0.001), SHORT, clock=machine.clock)
    assert machine.opened >= 2 * LEAST_SITTINGS


def test_timing_ends_when_the_interval_is_narrow(machine):
    rng = np.random.default_rng(2)

    def sittings(interval: float) -> int:
        noisy = machine.model(lambda _: 0.001 * rng.lognormal(0, 0.03))
        protocol = Protocol(seconds=0.01, precision=interval, patience=1e9)
        return compare(machine.model(0.001), noisy, protocol, clock=machine.clock).sittings

    assert sittings(0.2) == LEAST_SITTINGS
    assert sittings(0.01) > 50


def test_patience_ends_what_does_not_become_narrow(machine):
    rng = np.random.default_rng(3)
    noisy = machine.model(lambda _: 0.001 * rng.lognormal(0, 0.5))
    protocol = Protocol(seconds=0.5, precision=1e-6, patience=2.0)
    compare(machine.model(0.001), noisy, protocol, clock=machine.clock)
    assert 1.0 < machine.time < 1.5


def test_the_tail_of_a_model_is_what_p90_tells(machine):
    """A fifth of the calls take three times as long: the median does not see it, p90 does."""
    rng = np.random.default_rng(5)

    def opened():
        def call() -> None:
            machine.time += 0.003 if rng.random() < 0.2 else 0.001

        return call

    steady = machine.model(0.001)
    for statistic, expected in (("median", 1.0), ("p90", 3.0)):
        protocol = Protocol(seconds=0.05, patience=1.0, statistic=statistic)
        found = compare(steady, opened, protocol, clock=machine.clock)
        assert found.ratio.value == pytest.approx(expected, rel=0.02)


def test_p99_is_told_from_hundreds_of_calls_in_a_sitting(machine):
    protocol = Protocol(seconds=0.01, patience=1.0, statistic="p99")
    found = compare(machine.model(0.02), machine.model(0.02), protocol, clock=machine.clock)
    assert found.calls / found.sittings >= 500


def test_a_sitting_that_the_clock_spoils_is_made_again(machine):
    jumps = iter([0.5])

    def clock() -> float:
        if machine.calls > 100 and (jump := next(jumps, None)):
            machine.time -= jump
        return machine.time

    found = compare(machine.model(0.002), machine.model(0.001), SHORT, clock=clock)
    assert next(jumps, None) is None
    assert found.ratio.value == pytest.approx(0.5)


def test_a_jump_forwards_does_not_count(machine):
    jumps = iter([3600.0])

    def clock() -> float:
        if machine.calls > 100 and (jump := next(jumps, None)):
            machine.time += jump
        return machine.time

    found = compare(machine.model(0.002), machine.model(0.001), SHORT, clock=clock)
    assert found.ratio.value == pytest.approx(0.5)


def test_a_clock_that_only_goes_backwards_is_refused(machine):
    with pytest.raises(ClockError, match=r"a call took -0\.002 s by the clock"):
        compare(machine.model(0.002), machine.model(0.001), SHORT, clock=lambda: -machine.clock())


def test_a_latency_is_its_ratio_times_the_references(machine):
    meter = LatencyMeter(
        machine.model(0.002), SHORT, reference_ms=Estimate.exact(8.0), clock=machine.clock
    )
    found = meter(machine.model(0.001))
    assert found.estimate.value == pytest.approx(4.0)
    assert found.beside_ms == pytest.approx(2.0)
    assert found.sittings >= LEAST_SITTINGS
    assert found.calls >= LEAST_SITTINGS * ROUNDS


def test_the_reference_is_timed_once(machine):
    meter = LatencyMeter(machine.model(0.002), SHORT, clock=machine.clock)
    assert meter.reference_ms.value == pytest.approx(2.0)
    assert meter.reference_ms is meter.reference_ms


def test_interrupting_a_measurement_ends_it(machine):
    def opened():
        def call() -> None:
            machine.calls += 1
            machine.time += 0.001
            if machine.calls > 50:
                raise KeyboardInterrupt

        return call

    with pytest.raises(KeyboardInterrupt):
        compare(machine.model(0.002), opened, SHORT, clock=machine.clock)


def test_a_clock_that_goes_backwards_again_and_again_is_refused(machine):
    def clock() -> float:
        return machine.time - 0.1 * (machine.calls // 7 if machine.calls > 100 else 0)

    with pytest.raises(ClockError, match="the clock went backwards in 5 attempts in a row"):
        compare(machine.model(0.002), machine.model(0.001), SHORT, clock=clock)


@given(st.lists(st.floats(0.1, 100), min_size=5, max_size=60))
def test_the_mean_lies_in_its_interval_whatever_the_order(values):
    estimate = mean_estimate(np.array(values))
    assert estimate.low <= estimate.value <= estimate.high
    assert mean_estimate(np.array(values[::-1])) == estimate


@pytest.mark.parametrize("count", [5, 9, 10, 30])
def test_the_interval_holds_the_truth_in_95_of_100_cases(count):
    rng = np.random.default_rng(count)
    estimates = [mean_estimate(rng.lognormal(0, 0.1, count)) for _ in range(1500)]
    covered = np.mean([one.low <= 1.0 <= one.high for one in estimates])
    assert covered == pytest.approx(0.95, abs=0.02)


def test_a_disturbed_sitting_among_ten_does_not_count():
    calm = mean_estimate(np.linspace(0.99, 1.01, 10))
    disturbed = mean_estimate(np.append(np.linspace(0.99, 1.01, 10)[:-1], 5.0))
    assert disturbed == calm


def test_noise_does_not_reorder_what_differs_by_more(machine):
    rng = np.random.default_rng(4)
    truth = 0.001 * 1.05 ** np.arange(20)
    meter = LatencyMeter(machine.model(0.002), Protocol(seconds=0.05), clock=machine.clock)
    found = [
        meter(machine.model(lambda _, one=one: one * rng.lognormal(0, 0.01))).estimate.value
        for one in truth
    ]
    assert kendalltau(truth, found).statistic == 1.0


def test_what_no_sitting_sees_is_added_to_the_interval(machine):
    protocol = Protocol(seconds=0.01, patience=1.0, wander=0.02)
    found = compare(machine.model(0.002), machine.model(0.001), protocol, clock=machine.clock)
    assert found.ratio.high / found.ratio.value == pytest.approx(np.exp(0.02))
    assert found.ratio.value / found.ratio.low == pytest.approx(np.exp(0.02))
