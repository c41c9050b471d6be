import os

import pytest

from secateur.actors.cores import CoreSplit, available_cores, confined, split_cores

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot pin cores"
)


def test_the_profiler_s_cores_and_the_others_are_all_cores_and_share_none():
    cores = os.sched_getaffinity(0)
    split = split_cores(1)
    if len(cores) == 1:
        assert split == CoreSplit(frozenset(), frozenset())
    else:
        assert split.profiler | split.others == cores
        assert not split.profiler & split.others
        assert len(split.profiler) == 1


def test_a_profiler_that_would_take_every_core_gets_none_of_its_own():
    split = split_cores(len(os.sched_getaffinity(0)))
    assert split == CoreSplit(frozenset(), frozenset())


def test_without_a_profiler_the_others_have_all_cores():
    split = split_cores(0)
    assert split == CoreSplit(frozenset(), frozenset(os.sched_getaffinity(0)))


def test_a_confined_process_gets_its_cores_back():
    before = os.sched_getaffinity(0)
    one = frozenset([min(before)])
    with confined(one):
        assert os.sched_getaffinity(0) == one
        assert available_cores() == 1
    assert os.sched_getaffinity(0) == before


def test_no_cores_confine_nothing():
    before = os.sched_getaffinity(0)
    with confined(frozenset()):
        assert os.sched_getaffinity(0) == before
