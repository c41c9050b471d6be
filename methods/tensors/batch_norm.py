"""BatchNorm: statistics estimated anew, for the weights as they are.

Training leaves running averages over the last batches, each seen with the weights of its time.
Where weights were removed, or few are left and each counts for much, they no longer fit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm


def batch_norms(*networks: nn.Module) -> list[BatchNorm]:
    """Return every BatchNorm of networks."""
    return [one for network in networks for one in network.modules() if isinstance(one, BatchNorm)]


@contextmanager
def estimated_anew(norms: Sequence[BatchNorm]) -> Iterator[None]:
    """Average statistics plainly over the batches that pass within (momentum None), in place.

    Nothing else changes mode: with the rest in evaluation, no dropout disturbs. Behind it the
    BatchNorms are in evaluation, too.
    """
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
