"""Timing: how long tickets take beside the dense network, in PyTorch, in turns.

That is the network alone, on graphs that are thin already, and the thinning of graphs that are new.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from ...search.candidate import Estimate
from ..measuring.latency import Call, Protocol, compare, mean_estimate
from .graphs import Batch
from .judging import answers

PASSES = 5
"""How often a thinning is timed."""


def relative_time(
    reference: tuple[nn.Module, Sequence[Batch]],
    ticket: tuple[nn.Module, Sequence[Batch]],
    *,
    seconds: float,
) -> Estimate:
    """Return the time of a ticket over that of the reference, with its 95 % interval.

    A call passes all batches.
    """
    once, other = _pass(*reference), _pass(*ticket)
    return compare(lambda: once, lambda: other, Protocol(seconds=seconds, patience=1.0)).ratio


def relative_thinning(
    reference: tuple[nn.Module, Sequence[Batch]], thin: Callable[[], object]
) -> Estimate:
    """Return the time of thinning the same graphs over that of the reference, with its interval.

    It is the ratio of a few passes in turns: a thinning may take many times as long as a network.
    """
    once = _pass(*reference)
    ratios = []
    for _ in range(1 + PASSES):
        dense_s, thinning_s = _seconds(once), _seconds(thin)
        ratios.append(thinning_s / dense_s)
    return mean_estimate(np.array(ratios[1:]))  # the first pass warms up


def _seconds(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _pass(network: nn.Module, batches: Sequence[Batch]) -> Call:
    network.eval()

    def run() -> None:
        with torch.inference_mode():
            for batch in batches:
                answers(network, batch)

    return run
