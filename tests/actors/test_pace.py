import math

import pytest

from secateur.actors.pace import Pace


def paced(*seconds: float, factor: float = 2.0) -> Pace:
    pace = Pace(factor)
    for one in seconds:
        pace.add(one)
    return pace


def test_nothing_is_slow_until_enough_is_known():
    assert paced(*[1.0] * 19).slow_after == math.inf
    assert paced(*[1.0] * 20).slow_after == 2.0


def test_a_few_stragglers_do_not_make_others_fast():
    assert paced(*[1.0] * 96, *[10.0] * 4).slow_after == 2.0


def test_what_is_long_past_is_forgotten():
    assert paced(*[9.0] * 200, *[1.0] * 200).slow_after == 2.0
    assert paced(*[1.0] * 100, *[9.0] * 200).slow_after == 18.0


def test_a_job_that_takes_no_longer_than_others_cannot_be_slow():
    with pytest.raises(ValueError, match=r"factor must be at least 1, got 0\.5"):
        Pace(0.5)
