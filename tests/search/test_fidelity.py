from collections.abc import Sequence

import numpy as np
import pytest

from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.fidelity import Promotion, rung_agreement
from secateur.search.goals import Goals
from secateur.search.objective import Objective

OBJECTIVES = (Objective("error", relative=False), Objective("latency_ms", relative=True))


def around(value: float, half: float = 0.0) -> Estimate:
    return Estimate(value, value - half, value + half)


def outcome(number: int, error: Estimate, latency: float) -> Evaluation:
    candidate = Candidate(number, (number,), "initial")
    return Evaluation(candidate, (error, around(latency)))


DENSE = outcome(0, around(0.1, 0.01), 1.0)
RIVAL = outcome(1, around(0.2, 0.0196), 0.5)


def rule(least: float = 0.1, *, window: int = 1, bounds: Sequence[str] = ()) -> Promotion:
    return Promotion(least, window, Goals(OBJECTIVES, tuple(map(Constraint.parse, bounds))))


@pytest.mark.parametrize(
    ("error", "latency", "promoted"),
    [
        (0.9, 0.4, True),  # faster than all: nobody to beat
        (0.15, 0.6, True),  # better than the rival that is faster
        (0.21, 0.6, True),  # perhaps better
        (0.30, 0.6, False),  # surely worse
        (0.30, 0.5, False),  # as fast and surely worse
        (0.09, 1.2, True),
        (0.14, 1.2, False),
    ],
)
def test_who_may_be_on_the_front_is_promoted(error, latency, promoted):
    estimates = (around(error, 0.0196), around(latency))
    assert rule().promotes(2, estimates, [DENSE, RIVAL]) is promoted


def test_the_probability_is_that_of_two_normal_errors():
    """Deviations of 0.01 and 0.01 around 0.22 and 0.20: P(ours < theirs) = Phi(-1.41) = 0.079."""
    estimates = (around(0.22, 0.0196), around(0.6))
    assert rule(0.078).promotes(2, estimates, [DENSE, RIVAL])
    assert not rule(0.080).promotes(2, estimates, [DENSE, RIVAL])


def test_a_rough_error_is_promoted_more_readily_than_a_sharp_one():
    sharp, rough = ((around(0.25, half), around(0.6)) for half in (0.005, 0.08))
    assert not rule().promotes(2, sharp, [DENSE, RIVAL])
    assert rule().promotes(2, rough, [DENSE, RIVAL])


def test_only_what_a_candidate_was_bred_from_judges_it():
    estimates = (around(0.3, 0.01), around(0.6))
    assert rule(window=2).promotes(2, estimates, [DENSE, RIVAL])
    assert not rule().promotes(2, estimates, [DENSE, RIVAL])
    later = [DENSE, outcome(1, around(0.9), 2.0), outcome(2, around(0.0), 0.1)]
    assert rule().promotes(2, estimates, later)


def test_failures_judge_nobody():
    failed = Failure(Candidate(1, (1,), "initial"), "out of memory")
    assert rule().promotes(2, (around(0.9, 0.01), around(0.6)), [DENSE, failed])
    assert rule().promotes(0, (around(0.9, 0.01), around(0.6)), [])


def test_what_violates_a_constraint_is_not_promoted_and_is_no_rival():
    bounded = rule(bounds=["latency_ms <= 0.7x"])
    assert not bounded.promotes(2, (around(0.01, 0.01), around(0.8)), [DENSE, RIVAL])
    slow = outcome(1, around(0.01, 0.001), 0.71)
    assert bounded.promotes(2, (around(0.3, 0.01), around(0.7)), [DENSE, slow])


def test_an_error_that_may_keep_its_bound_is_promoted():
    bounded = rule(bounds=["error <= 0.15"])
    assert bounded.promotes(2, (around(0.16, 0.02), around(0.4)), [DENSE])
    assert not bounded.promotes(2, (around(0.18, 0.02), around(0.4)), [DENSE])


def test_rungs_that_rank_alike_agree():
    errors = np.linspace(0.1, 0.5, 12)
    assert rung_agreement([(e, e + 0.01) for e in errors]) == pytest.approx(1.0)
    assert rung_agreement([(e, 1 - e) for e in errors]) == pytest.approx(-1.0)
    assert rung_agreement([(e, e) for e in errors[:9]]) is None
    assert rung_agreement([(0.1, e) for e in errors]) is None
