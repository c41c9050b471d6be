"""Weights: which of them a network loses, by their magnitude among all.

Masks are over the matrices of convolutions and linear layers: no bias, no BatchNorm, no attention
vector.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]
"""For each matrix, by its name, which weights are kept."""


def matrices(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the matrices whose weights can be removed, by name."""
    embedded = {
        f"{name}.weight" for name, one in network.named_modules() if isinstance(one, nn.Embedding)
    }
    return {
        name: parameter
        for name, parameter in network.named_parameters()
        if parameter.ndim == 2 and name.endswith("weight") and name not in embedded
    }


def whole(network: nn.Module) -> Masks:
    """Masks that keep everything."""
    return {
        name: torch.ones(one.shape, dtype=torch.bool) for name, one in matrices(network).items()
    }


def prune(masks: Masks, magnitudes: Mapping[str, Tensor], *, left: float) -> Masks:
    """Keep the largest of what is kept, a share `left` of all to rounding.

    Equal magnitudes are kept in the order of the matrices' names.
    """
    masks = dict(sorted(masks.items()))
    total = sum(mask.numel() for mask in masks.values())
    wanted = round(total * left)
    sizes = torch.cat([magnitudes[name][mask].abs().flatten() for name, mask in masks.items()])
    order = torch.argsort(sizes, descending=True, stable=True)
    chosen = torch.zeros(len(sizes), dtype=torch.bool)
    chosen[order[:wanted]] = True
    parts = torch.split(chosen, [int(mask.sum()) for mask in masks.values()])
    return {
        name: mask.masked_scatter(mask, part)
        for (name, mask), part in zip(masks.items(), parts, strict=True)
    }


def apply(masks: Masks, network: nn.Module) -> None:
    """Set what is not kept to 0, in place."""
    with torch.no_grad():
        for name, parameter in matrices(network).items():
            parameter.mul_(masks[name].to(parameter.device))


def sparsity(masks: Masks) -> float:
    """The share of the weights that is gone."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / total
