"""Cores: a profiler times alone on a core of its own; everything else shares the others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoreSplit:
    """Which cores the profiler owns and which are left; both empty where cores cannot be pinned."""

    profiler: frozenset[int]
    others: frozenset[int]


def available_cores() -> int:
    """How many cores this process may use: those it is pinned to, where that can be told."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def split_cores(threads: int) -> CoreSplit:
    """Give the last `threads` of this process's cores to the profiler, if others remain.

    No threads: no profiler, and the others have all cores.
    """
    if not hasattr(os, "sched_getaffinity"):
        return CoreSplit(frozenset(), frozenset())
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) <= threads:
        return CoreSplit(frozenset(), frozenset())
    boundary = len(cores) - threads
    return CoreSplit(frozenset(cores[boundary:]), frozenset(cores[:boundary]))


@contextmanager
def confined(cores: frozenset[int]) -> Iterator[None]:
    """Keep this process, and what it starts, to these cores; do nothing where there are none."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
