"""Criterion learner: how much a channel matters, learned from the filters that make it.

CLAD (*Criterion learner and attention distillation for automated CNN pruning*, 2025) states that
a differentiable learner in each layer learns the criterion from that layer's filter parameters, end
to end. Its form is our reconstruction: a small network that all filters of a group share.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from ..pruning.criteria import filter_rows, filters
from ..pruning.plan import Plan

Sight = Literal["raw", "statistics", "logits"]
"""What a learner sees of a filter: its weights, statistics of them as well, or nothing at all.

`logits` learns a number for each channel directly: the ablation that tells whether filters matter.
"""

FIRST_SCORE = 2.0
"""Every channel starts with a gate near sigmoid(2) = 0.88."""

SMALLEST = 1e-8


class CriterionLearner(nn.Module):
    """Scores the channels of one group: a multilayer perceptron from filter to score.

    Filters are divided by the standard deviation of all of them. With `through`, the filters get a
    gradient from their scores, too. Statistics are L1 and L2 norm, the distance to the mean filter
    and the BatchNorm scale, each standardised over the group.
    """

    def __init__(
        self, plan: Plan, group: int, state: Mapping[str, Tensor], *, sight: Sight, hidden: int
    ) -> None:
        """Take the dense network's tensors, for their shapes alone."""
        super().__init__()
        self._rows = filter_rows(plan, group)
        self._scales = _batch_norm_scales(plan, group, state)
        self._sight = sight
        width = plan.groups[group].width
        self.logits: nn.Parameter | None = None
        self.layers: nn.Sequential | None = None
        if sight == "logits":
            self.logits = nn.Parameter(torch.full((width,), FIRST_SCORE))
            return
        seen = filters(self._rows, state).shape[1]
        if sight == "statistics":
            seen += _statistics(filters(self._rows, state), self._scale(state)).shape[1]
        self.layers = nn.Sequential(nn.Linear(seen, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        nn.init.constant_(self.layers[-1].bias, FIRST_SCORE)  # type: ignore[arg-type]

    def forward(self, state: Mapping[str, Tensor], through: bool) -> Tensor:
        """Return the scores of all channels, shape (channels,), from the network's tensors."""
        if self.layers is None:
            assert self.logits is not None
            return self.logits
        weights = filters(self._rows, state)
        scale = self._scale(state)
        if not through:
            weights, scale = weights.detach(), None if scale is None else scale.detach()
        seen = weights / (weights.std() + SMALLEST)
        if self._sight == "statistics":
            seen = torch.cat([seen, _statistics(weights, scale)], dim=1)
        scores: Tensor = self.layers(seen).squeeze(1)
        return scores

    def _scale(self, state: Mapping[str, Tensor]) -> Tensor | None:
        """The BatchNorm scale of each channel, if there is one."""
        if self._scales is None:
            return None
        tensor, rows = self._scales
        return state[tensor][rows].abs().sum(dim=1)


def _batch_norm_scales(
    plan: Plan, group: int, state: Mapping[str, Tensor]
) -> tuple[str, Tensor] | None:
    """The scales of the first BatchNorm that channels pass: a tensor, and its rows by channel."""
    first, last = plan.offsets[group], plan.offsets[group + 1]
    for layer in plan.groups[group].layers:
        name = f"{layer}.weight"
        if f"{layer}.running_var" in state and (owner := plan.owners.get((name, 0))) is not None:
            channels = torch.from_numpy(owner)
            mine = torch.nonzero((channels >= first) & (channels < last)).squeeze(1)
            order = torch.argsort(channels[mine], stable=True)
            return name, mine[order].view(plan.groups[group].width, -1)
    return None


def _statistics(weights: Tensor, scale: Tensor | None) -> Tensor:
    """Return standardised statistics of the filters, shape (channels, statistics)."""
    columns = [
        weights.abs().sum(dim=1),
        weights.norm(dim=1),
        (weights - weights.mean(dim=0)).norm(dim=1),
        *([] if scale is None else [scale]),
    ]
    table = torch.stack(columns, dim=1)
    return (table - table.mean(dim=0)) / (table.std(dim=0) + SMALLEST)
