"""Taylor: how much the loss would change without a channel, to first order."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from ..tensors.weights import state_of
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Calibration:
    """Inputs of shape (images, channels, height, width), and their labels, shape (images,)."""

    inputs: Tensor
    labels: Tensor


def taylor(
    network: nn.Module, plan: Plan, calibration: Calibration, *, batch: int = 25
) -> list[NDArray[np.float64]]:
    """Return each group's scores: the squared change of the loss, mean over batches.

    Molchanov et al., CVPR 2019: the square of the sum of weight times gradient over a set of
    weights. Deviation: the set is what *reads* a channel, not what makes it, as zeroing the readers
    is exactly what a cut does, BatchNorm and all.
    """
    state = state_of(network)
    own: dict[int, Tensor] = {}  # modules under two names have one tensor
    for tensor, dim in plan.owners:
        if dim > 0:
            weight = state[tensor]
            own.setdefault(weight.data_ptr(), weight.clone().requires_grad_())
    given = {name: own.get(tensor.data_ptr(), tensor) for name, tensor in state.items()}
    reads = {(state[name].data_ptr(), dim): owner for (name, dim), owner in plan.owners.items()}
    scores = np.zeros(plan.offsets[-1] + 1)
    starts = range(0, len(calibration.labels), batch)
    for start in starts:
        inputs, labels = (
            part[start : start + batch] for part in (calibration.inputs, calibration.labels)
        )
        loss = F.cross_entropy(
            functional_call(network, given, (inputs,), tie_weights=False), labels
        )
        gradients = torch.autograd.grad(loss, list(own.values()), materialize_grads=True)
        change = np.zeros_like(scores)
        for (key, weight), gradient in zip(own.items(), gradients, strict=True):
            product = (weight.detach() * gradient).double()
            for dim in range(1, product.ndim):
                if (owner := reads.get((key, dim))) is not None:
                    entries = product.transpose(0, dim).flatten(1).sum(dim=1)
                    np.add.at(change, owner, entries.numpy())
        scores += change**2
    mean = scores[:-1] / len(starts)  # the last entry is that of nobody
    return np.split(mean, plan.offsets[1:-1])
