"""Batches: training images in a random order, moved, mirrored and mixed, alike whoever takes part.

Every draw depends on the seed, the epoch and the place in it alone, so that training goes on after
any stop as if there had been none, and several workers see together what one alone would see.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from .image_folder import Pictures
from .images import Images
from .normalisation import Normalisation


@dataclass(frozen=True, slots=True)
class Batches:
    """Images by the batch: shifted by up to an eighth of their size, half of them mirrored.

    With `mixup` each is mixed with another one of the batch, by a share that is drawn from
    Beta(mixup, mixup) (Zhang et al., ICLR 2018, but a share for each image).
    """

    images: Images | Pictures
    normalisation: Normalisation
    size: int
    mirror: bool
    seed: int
    mixup: float = 0.0

    def __post_init__(self) -> None:
        require_batches(len(self.images), self.size)

    def __len__(self) -> int:
        """How many full batches an epoch has."""
        return len(self.images) // self.size

    def epoch(self, epoch: int, *, rank: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this worker's part of every batch: inputs (images, channels, h, w), and labels.

        Labels are of shape (images,), or of mixed images the share of each class, (images, classes)
        up to the last class that occurs.
        """
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.images))
        classes = int(self.images.labels.max()) + 1
        for first in range(0, len(self) * self.size, self.size):
            chosen = order[first : first + self.size]
            shifts = rng.random((self.size, 2))
            flips = rng.random(self.size) < 0.5
            mine = np.arange(rank, self.size, workers)
            inputs, labels = self._shown(chosen, shifts, flips, mine)
            if self.mixup:
                partners = rng.permutation(self.size)
                shares = torch.from_numpy(rng.beta(self.mixup, self.mixup, self.size)[mine]).float()
                others, theirs = self._shown(chosen, shifts, flips, partners[mine])
                own, their = (F.one_hot(one, classes).float() for one in (labels, theirs))
                inputs, labels = _mixed(inputs, others, shares), _mixed(own, their, shares)
            yield inputs, labels

    def _shown(
        self,
        chosen: NDArray[np.int64],
        shifts: NDArray[np.float64],
        flips: NDArray[np.bool_],
        places: NDArray[np.int64],
    ) -> tuple[Tensor, Tensor]:
        """The images at some places of a batch, and their labels."""
        batch = self.images[chosen[places]]
        pixels, flipped = shifted(batch.pixels, shifts[places]), flips[places]
        if self.mirror:
            pixels[flipped] = pixels[flipped, :, ::-1]
        return self.normalisation(Images(pixels, batch.labels)), torch.from_numpy(batch.labels)


def require_batches(images: int, size: int, workers: int = 1) -> None:
    """Refuse a batch that is larger than the data, or too small to be shared."""
    if images < size or size < workers:
        raise ValueError(
            f"a batch of {size} images for {workers} workers needs at least as many training "
            f"images and one a worker, got {images}: choose another finetune.batch"
        )


def _mixed(ones: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Tensors (images, ...) mixed with others, of each image a share (images,) of the other one."""
    return torch.lerp(ones, others, shares.view(-1, *[1] * (ones.ndim - 1)))


def shifted(pixels: NDArray[np.uint8], shifts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Move each image by up to an eighth of its size; what comes in repeats the edge.

    Takes pixels of shape (images, height, width, channels) and shifts in [0, 1) of shape
    (images, 2).
    """
    count, height, width, _ = pixels.shape
    down, right = (max(1, size // 8) for size in (height, width))
    padded = np.pad(pixels, ((0, 0), (down, down), (right, right), (0, 0)), mode="edge")
    top = np.floor(shifts[:, 0] * (2 * down + 1)).astype(np.int64)
    left = np.floor(shifts[:, 1] * (2 * right + 1)).astype(np.int64)
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    moved: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], rows, columns]
    return moved
