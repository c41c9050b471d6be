"""Sparse features: products skip zeros where nodes have few of many features, as texts words."""

from dataclasses import dataclass, replace

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from .pattern import Pattern

DENSEST = 0.1
"""Features of which a larger share is not zero stay as they are."""

_KNOWN = WeakTensorKeyDictionary()
"""Features that were seen, as sparse ones, or None where they stay as they are."""


@dataclass(frozen=True)
class SparseFeatures:
    """The features that are not zero, and where they stand in a matrix (nodes, features)."""

    pattern: Pattern
    values: Tensor


def sparse(features: Tensor) -> Tensor | SparseFeatures:
    """Return the same features, (nodes, features), as a linear layer takes them soonest.

    The answer is kept for as long as the features are: nobody may change them meanwhile.
    """
    if features.requires_grad:
        return features
    if features not in _KNOWN:
        filled = int(features.count_nonzero()) / max(1, features.numel())
        _KNOWN[features] = _as_sparse(features) if filled <= DENSEST else None
    known: SparseFeatures | None = _KNOWN[features]
    return features if known is None else known


def _as_sparse(features: Tensor) -> SparseFeatures:
    found = features.to_sparse_csr()
    pattern = Pattern(found.crow_indices(), found.col_indices(), features.shape[1])
    return SparseFeatures(pattern, found.values())


def dropout(
    features: Tensor | SparseFeatures, share: float, training: bool
) -> Tensor | SparseFeatures:
    """Return features after dropout, in whichever form they are; zeros are zeros anyway."""
    if not training:
        return features
    if isinstance(features, SparseFeatures):
        return replace(features, values=F.dropout(features.values, share))
    return F.dropout(features, share)


def image(layer: nn.Linear, features: Tensor | SparseFeatures) -> Tensor:
    """Return what a linear layer makes of features, in whichever form they are."""
    if isinstance(features, SparseFeatures):
        return features.pattern.product(features.values, layer.weight.t(), layer.bias)
    found: Tensor = layer(features)
    return found
