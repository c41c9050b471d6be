import pytest

from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.objective import Objective
from secateur.search.screening import ENOUGH, Screening

OBJECTIVES = (Objective("error", relative=False), Objective("latency_ms", relative=True))
NUMBER = 40


def screening(*bounds: str, window: int = 4) -> Screening:
    return Screening(window, Goals(OBJECTIVES, tuple(map(Constraint.parse, bounds))))


def outcomes(latencies) -> list[Evaluation]:
    """The dense network, which takes 2 ms, and networks of these latencies."""
    return [
        Evaluation(
            Candidate(number, (number + 1,), "initial"),
            (Estimate.exact(0.1), Estimate.exact(value)),
        )
        for number, value in enumerate([2.0, *latencies])
    ]


FEASIBLE = outcomes([0.9] * (NUMBER - 1))


@pytest.mark.parametrize(
    ("known", "exceeded"),
    [
        ({"latency_ms": 1.3}, "latency_ms <= 0.6x"),  # the bound is 1.2 ms
        ({"latency_ms": 1.2}, None),
        ({"macs": 500.0, "latency_ms": 1.3}, "latency_ms <= 0.6x"),
        ({"error": 0.9}, None),
        ({}, None),
    ],
)
def test_what_exceeds_a_bound_is_spared_the_rest(known, exceeded):
    found = screening("latency_ms <= 0.6x").exceeds(NUMBER, known, FEASIBLE)
    assert (None if found is None else str(found)) == exceeded


def test_an_error_alone_spares_nothing():
    assert screening("error <= 0.2").quantities == frozenset()
    assert screening("error <= 0.2", "latency_ms <= 1.5").quantities == {"latency_ms"}


@pytest.mark.parametrize(("feasible", "spared"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_nobody_is_spared_while_few_networks_are_feasible(feasible, spared):
    known = outcomes([1.9] * (NUMBER - 1 - feasible) + [0.9] * feasible)
    found = screening("latency_ms <= 0.6x", window=1).exceeds(
        NUMBER, {"latency_ms": 1.3}, known[:NUMBER]
    )
    assert (found is not None) == spared


def test_who_came_after_its_parents_does_not_judge():
    for window, spared in ((1, True), (2, False)):
        rule, known = screening("latency_ms <= 0.6x", window=window), outcomes([0.9] * ENOUGH)
        found = rule.exceeds(ENOUGH + 1, {"latency_ms": 1.3}, known)
        assert (found is not None) == spared


def test_failures_judge_nobody():
    failed = [Failure(Candidate(1, (1,), "initial"), "lost")] * 30
    rule = screening("latency_ms <= 0.6x", window=1)
    assert rule.exceeds(31, {"latency_ms": 9.0}, [*outcomes([]), *failed]) is None
