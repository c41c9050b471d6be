"""Timing: how long a graph network takes beside another one, both in PyTorch, in turns."""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from ...search.candidate import Estimate
from ..latency import median_estimate
from .fitting import answers
from .graphs import Batch

LEAST_ROUNDS = 11


def relative_time(
    reference: tuple[nn.Module, Sequence[Batch]],
    ticket: tuple[nn.Module, Sequence[Batch]],
    *,
    seconds: float,
) -> Estimate:
    """Return the time of a ticket over that of the reference: median and 95 % interval.

    A round passes all batches of the reference, of the ticket, and of the reference again.
    """
    once, other = (_pass(*one) for one in (reference, ticket))
    once(), other()
    ratios: list[float] = []
    began = time.perf_counter()
    while len(ratios) < LEAST_ROUNDS or time.perf_counter() - began < seconds:
        before, within, after = once(), other(), once()
        ratios.append(2 * within / (before + after))
    return median_estimate(np.array(ratios))


def _pass(network: nn.Module, batches: Sequence[Batch]) -> Callable[[], float]:
    network.eval()

    def run() -> float:
        times = []
        with torch.inference_mode():
            for _ in range(3):
                began = time.perf_counter()
                for batch in batches:
                    answers(network, batch)
                times.append(time.perf_counter() - began)
        return statistics.median(times)

    return run
