"""Precision: what a network computes in while it is trained."""

from typing import Literal

import torch
from torch import Tensor, nn

Precision = Literal["fp32", "bf16"]
"""`bf16`: convolutions and matrix products, by autocast; weights and losses stay in fp32.

Processors with AMX or AVX512-BF16 and GPUs since Ampere are faster so; others are slower.
"""


def answers(network: nn.Module, inputs: Tensor, precision: Precision) -> Tensor:
    """Return logits in fp32, shape (images, classes), of a network that computes in `precision`."""
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bf16"):
        logits: Tensor = network(inputs)
    return logits.float()
