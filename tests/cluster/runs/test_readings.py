import math

import pytest

from secateur.actors.job import Answer, again
from secateur.cluster.runs.readings import PREDICTION, is_foretold, settled, together
from secateur.search.candidate import Estimate

FIRST, SECOND = Estimate(1.0, 0.96, 1.05), Estimate(1.1, 1.06, 1.15)
NAME = "latency_ms@board"


def known(first, second=None, worker: str = "profiler-0") -> dict[str, Answer]:
    answers = {NAME: Answer(3, NAME, first, worker, 1.0)}
    if second is not None:
        answers[again(NAME)] = Answer(3, again(NAME), second, "profiler-1", 1.0)
    return answers


def test_two_readings_that_are_as_certain_meet_in_the_middle():
    joined = together(Estimate(1.0, 1 / 1.03, 1.03), Estimate(1.1, 1.1 / 1.03, 1.1 * 1.03))
    assert joined.value == pytest.approx(math.sqrt(1.1))
    assert joined.high / joined.value == pytest.approx(1.03 ** (1 / math.sqrt(2)))
    assert joined.value / joined.low == pytest.approx(joined.high / joined.value)


def test_the_more_certain_reading_weighs_more():
    joined = together(Estimate(1.0, 1 / 1.01, 1.01), Estimate(1.1, 1.1 / 1.1, 1.1 * 1.1))
    assert joined.value == pytest.approx(1.0, rel=2e-3)


def test_exact_readings_do_not_divide_by_nothing():
    assert together(Estimate.exact(2.0), Estimate.exact(2.0)).value == pytest.approx(2.0)


def test_a_second_reading_joins_a_first_one_and_stands_for_a_prediction():
    assert settled(known(FIRST), NAME) == FIRST
    assert settled(known(FIRST, SECOND), NAME) == together(FIRST, SECOND)
    assert settled(known(FIRST, SECOND, PREDICTION), NAME) == SECOND


def test_a_second_reading_that_failed_changes_nothing():
    assert settled(known(FIRST, "out of memory"), NAME) == FIRST
    assert settled(known("out of memory"), NAME) == "out of memory"


@pytest.mark.parametrize(
    ("second", "worker", "expected"),
    [
        (None, PREDICTION, True),
        ("lost 3 workers", PREDICTION, True),
        (SECOND, PREDICTION, False),
        (None, "profiler-0", False),
    ],
)
def test_a_prediction_is_one_until_it_is_measured(second, worker, expected):
    assert is_foretold(known(FIRST, second, worker), NAME) is expected
