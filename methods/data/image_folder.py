"""Image folder: pictures on the disk, a folder for each class, read when they are asked for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .images import Images

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SHORTER_SIDE, SIDE = 256, 224
"""Pictures are scaled to the one and cropped to the other, as torchvision's weights expect."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Image files and their labels: whoever selects some gets them as `Images`."""

    files: tuple[Path, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, which: Any) -> Images:
        """Read the pictures that an index of an array's first axis selects."""
        chosen = np.arange(len(self.files))[which]
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as readers:
            pixels = list(readers.map(_pixels, (self.files[index] for index in chosen)))
        return Images(np.stack(pixels), self.labels[chosen])


def read_folder(root: Path) -> dict[str, Pictures]:
    """Return the pictures of `root/train` and `root/val`; classes are folders, in order of name."""
    splits = {}
    for split in ("train", "val"):
        folder = root / split
        classes = sorted(path for path in folder.glob("*") if path.is_dir())
        if not classes:
            raise ValueError(
                f"no classes in {folder}: expected a folder for each class, with pictures in it"
            )
        found = [
            (path, label)
            for label, of_class in enumerate(classes)
            for path in sorted(of_class.rglob("*"))
            if path.suffix.lower() in PICTURES
        ]
        if not found:
            raise ValueError(f"no pictures in {folder}: expected files in {', '.join(PICTURES)}")
        splits[split] = Pictures(
            tuple(path for path, _ in found), np.array([label for _, label in found])
        )
    return splits


def _pixels(path: Path) -> NDArray[np.uint8]:
    """Read one picture, shape (224, 224, 3): its middle."""
    try:
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(
            f"cannot read the picture {path}: {error}; remove or replace it"
        ) from error
    scale = SHORTER_SIDE / min(whole.size)
    width, height = (max(SHORTER_SIDE, round(scale * side)) for side in whole.size)
    scaled = whole.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    return np.asarray(scaled.crop((left, top, left + SIDE, top + SIDE)))
