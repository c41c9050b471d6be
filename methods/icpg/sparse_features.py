"""Sparse features: products skip zeros where nodes have few of many features, as texts words."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

DENSEST = 0.1
"""Features of which a larger share is not zero stay as they are."""

_KNOWN = WeakTensorKeyDictionary()
"""Features that were seen, as sparse matrices, or None where they stay as they are."""


def sparse(features: Tensor) -> Tensor:
    """Return the same features, (nodes, features), as a linear layer takes them soonest.

    The answer is kept for as long as the features are: nobody may change them meanwhile.
    """
    if features.requires_grad:
        return features
    if features not in _KNOWN:
        filled = int(torch.count_nonzero(features)) / max(1, features.numel())
        _KNOWN[features] = features.to_sparse_csr() if filled <= DENSEST else None
    known: Tensor | None = _KNOWN[features]
    return features if known is None else known


def dropout(features: Tensor, share: float, training: bool) -> Tensor:
    """Return features after dropout, in whichever form they are; zeros are zeros anyway."""
    if not training:
        return features
    if features.layout == torch.strided:
        return F.dropout(features, share)
    values = F.dropout(features.values(), share)
    rows, columns = features.crow_indices(), features.col_indices()
    return torch.sparse_csr_tensor(rows, columns, values, features.shape, check_invariants=False)
