"""Labels: for every element of an activation the number of the channel that it belongs to.

A label tensor has the activation's shape, but dimensions along which nothing changes are expanded,
so that it takes next to no room. Operations that only move elements are done on labels by
themselves, which is what makes their meaning exact.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .channels import FIXED, Ids


def fixed(shape: Sequence[int]) -> Tensor:
    """Return labels of an activation that holds no channels of ours."""
    return torch.full((1,) * len(shape), FIXED).expand(tuple(shape))


def along(ids: Ids, dim: int, shape: Sequence[int]) -> Tensor:
    """Return labels of the given shape that change along one dimension only."""
    view = [1] * len(shape)
    view[dim] = len(ids)
    return torch.from_numpy(ids).view(view).expand(tuple(shape))


def compact(labels: Tensor) -> Tensor:
    """Shrink to size 1 every dimension along which the labels do not change."""
    for dim, size in enumerate(labels.shape):
        first = labels.narrow(dim, 0, min(size, 1))
        if size > 1 and (labels.stride(dim) == 0 or bool((labels == first).all())):
            labels = first
    return labels


def changes(labels: Tensor, dim: int) -> bool:
    """Tell whether the labels differ along a dimension."""
    return compact(labels).shape[dim] > 1


def channels_along(labels: Tensor, dim: int) -> Ids | None:
    """Return the labels along one dimension, or None if they change along others as well."""
    core = compact(labels)
    dim %= labels.ndim
    if any(size > 1 for other, size in enumerate(core.shape) if other != dim):
        return None
    ids: Ids = core.flatten().expand(labels.shape[dim]).numpy()
    return ids


def every(labels: Tensor) -> Ids:
    """Return all labels that occur."""
    ids: Ids = np.unique(compact(labels).numpy())
    return ids
