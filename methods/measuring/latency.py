"""Latency: two models timed in turns, until the interval of their ratio is narrow.

Machines drift, by heat, by clock and by neighbours; and where a session's memory happens to lie
moves its latency by a percent for as long as it lives, which no number of calls averages out. So a
measurement begins with a warm-up until calls settle, and is made of *sittings* then. Each opens
both models afresh and times blocks of calls of both in random order; its answer is the ratio of the
two. What is reported is the geometric mean of the sittings' ratios, with Student's interval:
sittings are independent, calls are not. A bootstrap over as few as five would be too narrow.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ...search.candidate import Estimate
from .target import Statistic

Call = Callable[[], object]
"""Runs a model once."""

Open = Callable[[], Call]
"""Opens a model afresh."""

Clock = Callable[[], float]
"""Seconds, from whenever."""

WANDER = 0.025
"""As measured on a virtual machine with neighbours (`docs/results.md`); a board has less."""

_QUANTILES: dict[Statistic, float] = {"median": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Protocol:
    """How long is timed, and what.

    It takes at least `seconds`, then goes on until the 95 % interval is narrower than `precision`
    of the value, and gives up narrowing after `patience` times `seconds`. The ratio of two models
    wanders from one minute to the next, by what no sitting sees: `wander`, 95 % of it as a share,
    is added to the interval, as independent.
    """

    seconds: float = 0.3
    precision: float = 0.03
    patience: float = 10.0
    statistic: Statistic = "median"
    wander: float = WANDER


@dataclass(frozen=True, slots=True)
class Comparison:
    """How another model's calls compare with one's: their ratio, and what it rests on.

    `one_ms` and `other_ms` are the statistics of both, as they were beside each other.
    """

    ratio: Estimate
    one_ms: float
    other_ms: float
    sittings: int
    calls: int

    @property
    def verdict(self) -> str:
        """Whether the other one is faster, slower, or whether that cannot be told."""
        if self.ratio.low <= 1.0 <= self.ratio.high:
            return "cannot tell"
        return "faster" if self.ratio.high < 1.0 else "slower"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A latency in milliseconds, and what it rests on.

    `beside_ms` is the reference's latency as it was beside it, by which drift is seen.
    """

    estimate: Estimate
    beside_ms: float
    sittings: int
    calls: int


ROUNDS = 6
"""Blocks of each model in one sitting."""

LEAST_SITTINGS = 5
"""Fewest sittings that an interval is made of."""

_BLOCK_SECONDS = 0.004
_BEYOND = 5  # calls in a sitting that are to be slower than the statistic
_LONGEST_OPENING = 1.0  # seconds: what takes longer, a compiled engine say, is opened once
_SETTLED, _MOST_WARMING = 0.05, 20  # two blocks this near to each other; blocks at most
_WARMING_CALLS = 5  # in such a block
_SPOILT = 5  # sittings in a row that the clock may spoil

Blocks = NDArray[np.float64]
"""Seconds of every call, shape (models, rounds, calls)."""


_BROKEN = "latencies cannot be timed here"


class ClockError(RuntimeError):
    """The clock does not go forwards."""


def compare(
    one: Open, other: Open, protocol: Protocol, *, clock: Clock = time.perf_counter
) -> Comparison:
    """Time two models in turns. ClockError where the clock cannot be trusted."""
    found = _measure([one, other], lambda blocks: _ratio(blocks, protocol), protocol, clock)
    one_ms, other_ms = found.typical_ms
    return Comparison(found.estimate, one_ms, other_ms, found.sittings, found.calls)


def alone(one: Open, protocol: Protocol, *, clock: Clock = time.perf_counter) -> Measurement:
    """Time one model beside nothing: right as long as the machine is as it was."""
    found = _measure(
        [one], lambda blocks: 1e3 * _typical(blocks[0], protocol.statistic), protocol, clock
    )
    return Measurement(found.estimate, found.typical_ms[0], found.sittings, found.calls)


class LatencyMeter:
    """Times models against a reference, whose own latency is measured once."""

    def __init__(
        self,
        reference: Open,
        protocol: Protocol,
        *,
        reference_ms: Estimate | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._reference = reference
        self._protocol = protocol
        self._clock = clock
        self.reference_ms = reference_ms or alone(reference, protocol, clock=clock).estimate

    def __call__(self, model: Open) -> Measurement:
        """Return the model's latency: its ratio to the reference, times the reference's own."""
        found = compare(self._reference, model, self._protocol, clock=self._clock)
        estimate = found.ratio.times(self.reference_ms.value)
        return Measurement(estimate, found.one_ms, found.sittings, found.calls)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What sittings have come to: the estimate of what they judge, and every model's statistic."""

    estimate: Estimate
    typical_ms: tuple[float, ...]
    sittings: int
    calls: int  # of each model


def _measure(
    models: list[Open], judge: Callable[[Blocks], float], protocol: Protocol, clock: Clock
) -> _Measured:
    """Sit until the interval of what a sitting is judged by is narrow, or patience ends."""
    models = [_opened_as_needed(model, clock) for model in models]
    calls = _calls(_settled(models[0](), clock), protocol.statistic, clock)
    rng = np.random.default_rng(0)
    judged: list[float] = []
    typical: list[list[float]] = []
    spent = 0.0
    while True:
        began = clock()
        blocks = _sitting(models, calls, rng, clock)
        spent += max(0.0, clock() - began)
        judged.append(judge(blocks))
        typical.append([_typical(block, protocol.statistic) for block in blocks])
        if len(judged) < LEAST_SITTINGS or spent < protocol.seconds:
            continue
        estimate = mean_estimate(np.array(judged))
        narrow = estimate.high - estimate.low <= protocol.precision * estimate.value
        if narrow or spent > protocol.patience * protocol.seconds:
            means = 1e3 * np.exp(np.log(typical).mean(axis=0))
            return _Measured(
                _widened(estimate, protocol.wander),
                tuple(means.tolist()),
                len(judged),
                calls * ROUNDS * len(judged),
            )


def _widened(estimate: Estimate, wander: float) -> Estimate:
    """Add what sittings do not see to an interval."""
    reach = math.hypot(math.log(estimate.high / estimate.value), wander)
    return Estimate(
        estimate.value, estimate.value * math.exp(-reach), estimate.value * math.exp(reach)
    )


def mean_estimate(values: NDArray[np.float64]) -> Estimate:
    """Return the geometric mean of positive, independent values with its 95 % interval.

    Of ten values and more the outermost tenth counts for nothing at each end, so that a disturbed
    sitting does not; the interval is that of Tukey and McLaughlin 1963, Student's below ten.
    """
    logs = np.sort(np.log(values))
    count, cut = len(logs), len(logs) // 10
    center = float(logs[cut : count - cut].mean())
    pulled_in = np.clip(logs, logs[cut], logs[count - 1 - cut])
    deviation = float(pulled_in.std(ddof=1)) / (1 - 2 * cut / count)
    reach = float(student.ppf(0.975, count - 2 * cut - 1)) * deviation / math.sqrt(count)
    return Estimate(math.exp(center), math.exp(center - reach), math.exp(center + reach))


def _sitting(models: list[Open], calls: int, rng: np.random.Generator, clock: Clock) -> Blocks:
    """Open all models afresh, and time blocks of them in turns, in random order."""
    for _ in range(_SPOILT):
        opened = [model() for model in models]
        blocks = np.empty((len(models), ROUNDS, calls))
        for place in range(ROUNDS):
            for number in rng.permutation(len(models)):
                blocks[number, place] = _block(opened[number], calls, clock)
        if (blocks > 0).all():
            return blocks
    raise ClockError(f"the clock went backwards in {_SPOILT} attempts in a row: {_BROKEN}")


def _block(call: Call, calls: int, clock: Clock) -> NDArray[np.float64]:
    """Return the seconds of a few calls, after one that warms the caches."""
    call()
    times = np.empty(calls)
    for number in range(calls):
        began = clock()
        call()
        times[number] = clock() - began
    return times


def _settled(call: Call, clock: Clock) -> Call:
    """Run a model until two blocks in a row take the same time, or patience ends."""
    before = math.inf
    for _ in range(_MOST_WARMING):
        now = float(np.median(_block(call, _WARMING_CALLS, clock)))
        if abs(now - before) <= _SETTLED * now:
            break
        before = now
    return call


def _calls(call: Call, statistic: Statistic, clock: Clock) -> int:
    """Calls in a block: some milliseconds of them, and enough to see the statistic."""
    once = float(_block(call, _WARMING_CALLS, clock).min())
    if once <= 0:
        raise ClockError(f"a call took {once:g} s by the clock: {_BROKEN}")
    enough = _BEYOND / (1 - _QUANTILES[statistic]) / ROUNDS if statistic != "median" else 1
    return max(1, math.ceil(enough), round(_BLOCK_SECONDS / once))


def _typical(block: NDArray[np.float64], statistic: Statistic) -> float:
    """The statistic of one model's calls in a sitting, in seconds."""
    if statistic == "median":
        return float(np.median(np.median(block, axis=1)))
    return float(np.quantile(block, _QUANTILES[statistic]))


def _ratio(blocks: Blocks, protocol: Protocol) -> float:
    """The other's statistic over one's, every call in multiples of what one takes in its round."""
    level = np.median(blocks[0], axis=1, keepdims=True)
    one, other = (_typical(block / level, protocol.statistic) for block in blocks)
    return other / one


def _opened_as_needed(model: Open, clock: Clock) -> Open:
    """Open a model for every sitting, unless that takes too long."""
    began = clock()
    opened = model()
    return model if clock() - began <= _LONGEST_OPENING else lambda: opened
