"""Losses: what drives gates apart, and what the network may cost."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..pruning.counts import Sizes


def polarisation(gates: Tensor, share: float) -> Tensor:
    """Return the mean of t m - |m - mean(m)| over gates m in [0, 1], t = 2 - 4 `share`.

    Zhuang et al., NeurIPS 2020, in the form whose minimum over [0, 1] puts that share of the gates
    at 1 and the others at 0.
    """
    pull = 2 - 4 * share
    return (pull * gates - (gates - gates.mean()).abs()).mean()


class Macs:
    """Multiply-adds as a differentiable function of gates; exact where they are 0 or 1."""

    def __init__(self, layers: Sizes, widths: Sequence[int]) -> None:
        self._fixed = torch.from_numpy(layers.fixed)
        self._per_width = torch.from_numpy(layers.per_width)
        self._positions = torch.from_numpy(layers.positions)
        self._group = torch.repeat_interleave(torch.tensor(widths))
        self.dense = float(self.of_widths(torch.tensor(widths, dtype=torch.float64)))

    def __call__(self, gates: Tensor) -> Tensor:
        """Return the multiply-adds of gates of shape (channels,), as a share of the dense ones."""
        none = torch.zeros(self._per_width.shape[2], dtype=torch.float64, device=gates.device)
        widths = none.index_add(0, self._group.to(gates.device), gates.double())
        return self.of_widths(widths) / self.dense

    def of_widths(self, widths: Tensor) -> Tensor:
        """Return the multiply-adds of widths, fractions as well, of shape (groups,)."""
        fixed, per_width, positions = (
            part.to(widths.device) for part in (self._fixed, self._per_width, self._positions)
        )
        return (fixed + per_width @ widths).prod(dim=1) @ positions

    def share_kept(self, target: float) -> float:
        """Return the share of channels, the same in every group, that costs `target` of them."""
        low, high = 0.0, 1.0
        widths = torch.bincount(self._group).double()
        for _ in range(40):
            middle = (low + high) / 2
            if float(self.of_widths(middle * widths)) > target * self.dense:
                high = middle
            else:
                low = middle
        return high
