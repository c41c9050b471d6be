"""Criteria: which channels of a group matter most."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..tensors.weights import State, state_of
from .plan import Plan
from .taylor import Calibration, taylor

Kept = tuple[NDArray[np.int64], ...]
"""For each group the indices of the channels that stay, ascending."""

Ranking = tuple[NDArray[np.int64], ...]
"""For each group its channels from the most important to the least."""

Rankings = tuple[Ranking, ...]
"""A ranking for each criterion that a genome may choose from."""

Scores = NDArray[np.float64]


def rankings(
    network: nn.Module,
    plan: Plan,
    criteria: Sequence[str],
    calibration: Calibration | None = None,
) -> Rankings:
    """Order each group's channels, by each criterion in turn; `taylor` needs the calibration."""
    state = state_of(network)
    return tuple(_ranking(network, plan, state, criterion, calibration) for criterion in criteria)


def _ranking(
    network: nn.Module,
    plan: Plan,
    state: State,
    criterion: str,
    calibration: Calibration | None,
) -> Ranking:
    """From the most important channel to the least; ties by index."""
    if criterion == "taylor":
        if calibration is None:
            raise ValueError("criterion taylor needs labelled images to calibrate with")
        scores = taylor(network, plan, calibration)
    else:
        score = FROM_WEIGHTS[criterion]
        scores = [score(plan, index, state) for index in range(len(plan.groups))]
    return tuple(np.argsort(-values, kind="stable") for values in scores)


def keep(ranking: Ranking, widths: Sequence[int]) -> Kept:
    """Keep the `widths[g]` most important channels of group g, in their old order."""
    for group, (order, width) in enumerate(zip(ranking, widths, strict=True)):
        if not 1 <= width <= len(order):
            raise ValueError(f"widths[{group}] must lie between 1 and {len(order)}, got {width!r}")
    return tuple(np.sort(order[:width]) for order, width in zip(ranking, widths, strict=True))


def l1(plan: Plan, group: int, state: State) -> Scores:
    """Sum of the absolute weights of the filters that make a channel (Li et al., ICLR 2017)."""
    return _scores(_filters(plan, group, state).abs().sum(dim=1))


def l2(plan: Plan, group: int, state: State) -> Scores:
    """Euclidean norm of the filters that make a channel (He et al., IJCAI 2018)."""
    return _scores(_filters(plan, group, state).norm(dim=1))


def fpgm(plan: Plan, group: int, state: State) -> Scores:
    """Distance of a channel's filters to all others: those near the geometric median go first.

    He et al., CVPR 2019, equation 4; where several layers make a channel, their filters are
    taken as one.
    """
    filters = _filters(plan, group, state)
    return _scores(torch.cdist(filters, filters).sum(dim=1))


def bn_scale(plan: Plan, group: int, state: State) -> Scores:
    """Sum of the absolute BatchNorm scales of a channel (Liu et al., ICCV 2017)."""
    scores = np.zeros(plan.groups[group].width)
    found = False
    for tensor, channels, entries in _owned(plan, group):
        layer, _, part = tensor.rpartition(".")
        if part == "weight" and f"{layer}.running_var" in state:
            found = True
            np.add.at(scores, channels, state[tensor].abs().double().numpy()[entries])
    if not found:
        raise ValueError(
            f"criterion bn_scale needs a BatchNorm with a scale in every group, "
            f"{plan.groups[group].name} has none: choose another criterion, or leave it alone"
        )
    return scores


def random(plan: Plan, group: int, _: State) -> Scores:
    """Numbers without a meaning, the same in every process: a baseline."""
    return np.random.default_rng((0, group)).random(plan.groups[group].width)


FROM_WEIGHTS: Mapping[str, Callable[[Plan, int, State], Scores]] = {
    "l2": l2,
    "l1": l1,
    "fpgm": fpgm,
    "bn_scale": bn_scale,
    "random": random,
}
CRITERIA = (*FROM_WEIGHTS, "taylor")


def _scores(values: Tensor) -> Scores:
    scores: Scores = values.numpy()
    return scores


def filter_rows(plan: Plan, group: int) -> list[tuple[str, Tensor]]:
    """Where the weights that make each channel of a group are: tensors, and rows of them.

    Rows are of shape (channels, rows a channel): several where channels leave by units.
    """
    width = plan.groups[group].width
    found = []
    for tensor, channels, entries in _owned(plan, group):
        if tensor in plan.groups[group].filters:
            order = np.argsort(channels, kind="stable")
            found.append((tensor, torch.from_numpy(entries[order].reshape(width, -1))))
    return found


def filters(rows: Sequence[tuple[str, Tensor]], state: Mapping[str, Tensor]) -> Tensor:
    """Return the weights that make each channel, shape (channels, weights)."""
    made = [state[tensor].flatten(1)[where].flatten(1) for tensor, where in rows]
    return torch.cat(made, dim=1)


def _filters(plan: Plan, group: int, state: State) -> Tensor:
    return filters(filter_rows(plan, group), state).double()


def _owned(plan: Plan, group: int) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """First dimensions of tensors that a group owns: the tensor, its channels, their entries."""
    first, last = plan.offsets[group], plan.offsets[group + 1]
    for (tensor, dim), owner in plan.owners.items():
        entries = np.flatnonzero((owner >= first) & (owner < last))
        if dim == 0 and len(entries):
            yield tensor, owner[entries] - first, entries
