"""Training: a plain, repeatable run of SGD for networks that come without weights."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def train(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> nn.Module:
    """Train in place: SGD with momentum, one-cycle learning rate (Smith 2018), random shifts.

    `progress` is told the number of finished epochs. The same seed on the same machine gives the
    same weights.
    """
    batch, rng = 64, np.random.default_rng(seed)
    steps = -(-len(inputs) // batch)
    optimiser = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=0.1, total_steps=epochs * steps
    )
    network.train()
    for epoch in range(epochs):
        order = torch.from_numpy(rng.permutation(len(inputs)))
        for chunk in torch.split(order, batch):
            optimiser.zero_grad()
            loss = F.cross_entropy(network(_shifted(inputs[chunk], rng)), labels[chunk])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        progress(epoch + 1)
    return network.eval()


def _shifted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Move a batch by up to an eighth of its height and width; what comes in is the edge."""
    reach = max(1, images.shape[-1] // 8)
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    down, right = rng.integers(0, 2 * reach + 1, size=2)
    height, width = images.shape[-2:]
    return padded[:, :, down : down + height, right : right + width]
