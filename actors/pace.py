"""Pace: how long jobs take lately, and from when on one counts as slow."""

import bisect
import math
from collections import deque


class Pace:
    """A job is slow once it takes `factor` times the 95 % quantile of the last 200 jobs."""

    QUANTILE, KNOWN, MEMORY = 0.95, 20, 200

    def __init__(self, factor: float) -> None:
        if factor < 1:
            raise ValueError(f"factor must be at least 1, got {factor!r}")
        self._factor = factor
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Take note of how long a job took."""
        self._latest.append(seconds)
        bisect.insort(self._sorted, seconds)
        if len(self._latest) > self.MEMORY:
            del self._sorted[bisect.bisect_left(self._sorted, self._latest.popleft())]

    @property
    def slow_after(self) -> float:
        """Seconds after which a job is slow; infinite until 20 jobs are known."""
        if len(self._sorted) < self.KNOWN:
            return math.inf
        return self._factor * self._sorted[int(self.QUANTILE * (len(self._sorted) - 1))]
