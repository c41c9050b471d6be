"""Zero channels: padding that is part of a network's tensors, so that it can be cut like them."""

import torch
from torch import Tensor, nn


class ZeroChannels(nn.Module):
    """Adds channels of zeros before and after those of an activation.

    Their number is the length of two buffers of zeros. A padding whose numbers stand in the code
    would hold every channel that is added to it.
    """

    before: Tensor
    after: Tensor

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.register_buffer("before", torch.zeros(1, before, 1, 1))
        self.register_buffer("after", torch.zeros(1, after, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map shape (batch, channels, h, w) to (batch, before + channels + after, h, w)."""
        batch, _, height, width = inputs.shape
        before, after = (
            zeros.expand(batch, -1, height, width) for zeros in (self.before, self.after)
        )
        return torch.cat([before, inputs, after], dim=1)
