"""Images: pictures in memory, and what they show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Images:
    """Pictures: `pixels` uint8, shape (images, height, width, channels); `labels` int64."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype != np.uint8:
            raise ValueError(
                "pixels must be uint8 of shape (images, height, width, channels), "
                f"got {self.pixels.dtype} of shape {self.pixels.shape}"
            )
        if self.labels.shape != (len(self.pixels),):
            raise ValueError(
                f"expected one label for each of {len(self.pixels)} images, "
                f"got labels of shape {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, which: Any) -> "Images":
        """Select images by anything that indexes an array's first axis."""
        return Images(self.pixels[which], self.labels[which])
