import numpy as np
import pytest

from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.objective import Objective
from secateur.search.sparing import ENOUGH, Sparing

GOALS = Goals(
    (
        Objective("error", relative=False),
        Objective("latency_ms", relative=True),
        Objective("macs", relative=True),
    )
)


def around(value: float, half: float = 0.0) -> Estimate:
    return Estimate(value, value - half, value + half)


def outcome(number: int, error: float, latency: Estimate, *, predicted: bool = False) -> Evaluation:
    estimates = (around(error), latency, around(latency.value))
    names = frozenset({"latency_ms"} if predicted else ())
    return Evaluation(Candidate(number, (number + 1,), "initial"), estimates, names)


def averaging(_genomes, values):
    """Predicts the mean of what it has learned from, and how many there were as the deviation."""
    return lambda rows: (np.full(len(rows), values.mean()), np.full(len(rows), float(len(values))))


def rule(least: float = 0.1, window: int = 1) -> Sparing:
    return Sparing(0.0, least, window, GOALS, {"latency_ms": averaging})


def outcomes(count: int, *, predicted: int = 0) -> list[Evaluation]:
    """That many measured with a latency of 2, then those that were predicted to have 9."""
    known = [outcome(number, 0.1, around(2.0)) for number in range(count)]
    return known + [
        outcome(number, 0.1, around(9.0), predicted=True)
        for number in range(count, count + predicted)
    ]


def test_nothing_is_predicted_until_enough_is_measured():
    assert rule().expected(ENOUGH, (3,), outcomes(ENOUGH - 1, predicted=5)) == {}
    found = rule().expected(ENOUGH + 5, (3,), outcomes(ENOUGH, predicted=5))["latency_ms"]
    assert found.value == 2.0  # what was predicted teaches nothing
    assert found.high - found.value == pytest.approx(1.96 * ENOUGH, rel=1e-3)


def test_only_what_a_candidate_was_bred_from_predicts_it():
    assert rule(window=6).expected(ENOUGH + 4, (3,), outcomes(ENOUGH + 4)) == {}
    assert rule(window=5).expected(ENOUGH + 4, (3,), outcomes(ENOUGH + 4))


@pytest.mark.parametrize(
    ("error", "latency", "spared"),
    [
        (0.3, 0.9, False),  # surely faster
        (0.3, 1.00, False),  # as likely faster as not
        (0.3, 1.04, True),  # hardly ever
        (0.1, 9.9, False),  # better in the error
    ],
)
def test_who_is_surely_dominated_is_spared(error, latency, spared):
    """The rival has an error of 0.2 and a latency of 1; deviations are 0.02 and 0."""
    rival = outcome(0, 0.2, around(1.0))
    half = 0.02 * 1.959964
    estimates = {"error": around(error), "latency_ms": around(latency, half), "macs": around(1.0)}
    rough = frozenset({"latency_ms"})
    assert rule().spares(1, estimates, rough, [rival]) is spared


def test_the_probability_is_that_of_normal_latencies():
    """Deviations of 0.03 and 0.04 around 1.05 and 1: P(theirs <= ours) = Phi(1) = 0.841."""
    rival = outcome(0, 0.2, around(1.0, 0.04 * 1.959964))
    estimates = {
        "error": around(0.3),
        "latency_ms": around(1.05, 0.03 * 1.959964),
        "macs": around(1.0),
    }
    rough = frozenset({"latency_ms"})
    assert rule(0.160).spares(1, estimates, rough, [rival])
    assert not rule(0.157).spares(1, estimates, rough, [rival])


def test_nobody_is_spared_before_anything_is_known():
    estimates = {"error": around(0.9), "latency_ms": around(9.0), "macs": around(9.0)}
    failed = Failure(Candidate(0, (1,), "initial"), "out of memory")
    assert not rule().spares(1, estimates, frozenset(), [failed])


def test_what_violates_a_constraint_is_no_rival():
    bounded = Goals(GOALS.objectives, (Constraint.parse("macs <= 0.5x"),))
    sparing = Sparing(0.0, 0.1, 1, bounded, {"latency_ms": averaging})
    known = [outcome(0, 0.2, around(1.0)), outcome(1, 0.0, around(0.6))]
    estimates = {"error": around(0.9), "latency_ms": around(0.9, 0.01), "macs": around(0.9)}
    assert not sparing.spares(2, estimates, frozenset({"latency_ms"}), known)
