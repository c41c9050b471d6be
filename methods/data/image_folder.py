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

    def ordered(self, order: NDArray[np.int64]) -> "Pictures":
        """The same pictures in another order, none of them read."""
        return Pictures(tuple(self.files[index] for index in order), self.labels[order])

    def __getitem__(self, which: Any) -> Images:
        """Read the pictures that an index of an array's first axis selects."""
        chosen = np.arange(len(self.files))[which]
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as readers:
            pixels = list(readers.map(_pixels, (self.files[index] for index in chosen)))
        return Images(np.stack(pixels), self.labels[chosen])


def read_folder(root: Path) -> tuple[Pictures, Pictures]:
    """Return the pictures of `root/train` and of `root/val`, class by class.

    Classes are the folders of `train`, in order of their names.
    """
    train, val = root / "train", root / "val"
    names = _folders(train)
    if unknown := [name for name in _folders(val) if name not in names]:
        raise ValueError(
            f"{val} has a class {unknown[0]} that {train} has not: both need the same folders"
        )
    return _pictures(train, names), _pictures(val, names)


def _folders(split: Path) -> list[str]:
    names = sorted(path.name for path in split.glob("*") if path.is_dir())
    if not names:
        raise ValueError(
            f"no classes in {split}: expected a folder for each class, with pictures in it"
        )
    return names


def _pictures(split: Path, names: list[str]) -> Pictures:
    found = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((split / name).rglob("*"))
        if path.suffix.lower() in PICTURES
    ]
    if not found:
        raise ValueError(f"no pictures in {split}: expected files in {', '.join(PICTURES)}")
    return Pictures(tuple(path for path, _ in found), np.array([label for _, label in found]))


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
