"""Timing: how long a graph network takes beside another one, both in PyTorch, in turns."""

from collections.abc import Sequence

import torch
from torch import nn

from ...search.candidate import Estimate
from ..measuring.latency import Call, Protocol, compare
from .fitting import answers
from .graphs import Batch


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


def _pass(network: nn.Module, batches: Sequence[Batch]) -> Call:
    network.eval()

    def run() -> None:
        with torch.inference_mode():
            for batch in batches:
                answers(network, batch)

    return run
