"""Datasets: images split into those to train on, to search with, and to look at once."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..import_path import resolve
from ..tensors.arrays import read_arrays
from .image_folder import Pictures, read_folder
from .images import Images


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three disjoint splits and how pixels are normalised: (pixel / 255 - mean) / std, per channel.

    `train` recalibrates and trains, and may be read from the disk when it is asked for; `search`
    measures candidates, `final` is looked at once, for the front. Where few images do, they are the
    first of their split: no split may be sorted by class.
    """

    name: str
    train: Images | Pictures
    search: Images
    final: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        channels = self.search.pixels.shape[3]
        if len(self.mean) != channels or len(self.std) != channels:
            raise ValueError(f"{self.name}: mean and std need {channels} numbers, one a channel")
        for split in ("train", "search", "final"):
            if len(getattr(self, split)) == 0:
                raise ValueError(f"{self.name}: the {split} split holds no images")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (channels, height, width) of one image."""
        _, height, width, channels = self.search.pixels.shape
        return channels, height, width


def digits(root: Path | None = None) -> Dataset:  # noqa: ARG001 - one signature for all
    """scikit-learn's handwritten digits: 1,797 grey images of 8x8, shuffled once and for all."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.images))
    pixels = np.rint(bunch.images[order] * (255 / 16)).astype(np.uint8)[..., None]
    images = Images(pixels, bunch.target[order].astype(np.int64))
    return Dataset(
        "digits", images[:797], images[797:1297], images[1297:], mean=(0.306,), std=(0.376,)
    )


# The published weights of the examples expect ImageNet's normalisation.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def cifar10(root: Path | None = None) -> Dataset:
    """CIFAR-10 (Krizhevsky 2009): test images 0-4999 to search with, 5000-9999 to look at once.

    With `root`, read lossless sheets of 100x100 tiles, `root/cifar10/{test,train_1}.webp` and
    `labels.npz`; the training split then holds 10,000 images a sheet, of `train_1.webp` and those
    that follow it without a gap. Without, torchvision downloads the official files into
    `~/.cache/secateur`.
    """
    train, test = _cifar10_sheets(root / "cifar10") if root else _cifar10_official()
    return Dataset("cifar10", train, test[:5000], test[5000:], mean=_MEAN, std=_STD)


def _cifar10_sheets(folder: Path) -> tuple[Images, Images]:
    names = ("labels.npz", "train_1.webp", "test.webp")
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise ValueError(
            f"the data root has no {', '.join(absent)} in {folder}: expected {', '.join(names)}; "
            "leave --data-root out to download CIFAR-10 by torchvision"
        )
    labels = read_arrays(folder / "labels.npz")
    if absent := [name for name in ("train_labels", "test_labels") if name not in labels]:
        raise ValueError(f"{folder / 'labels.npz'} holds no array {absent[0]}; copy it anew")
    train = np.concatenate([_sheet(path) for path in _training_sheets(folder)])
    test = _sheet(folder / "test.webp")
    return (
        Images(train, labels["train_labels"][: len(train)].astype(np.int64)),
        Images(test, labels["test_labels"].astype(np.int64)),
    )


def _training_sheets(folder: Path) -> list[Path]:
    """The first sheet and those that follow it; CIFAR-10 has five."""
    sheets = (folder / f"train_{number}.webp" for number in range(1, 6))
    return list(itertools.takewhile(Path.is_file, sheets))


def _sheet(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"cannot read the image file {path}: {error}; copy it anew") from error
    if pixels.shape != (3200, 3200, 3):
        raise ValueError(f"{path} must be a sheet of 3200x3200 pixels, got {pixels.shape}")
    tiles = pixels.reshape(100, 32, 100, 32, 3).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, 32, 32, 3))


def _cifar10_official() -> tuple[Images, Images]:
    from torchvision.datasets import CIFAR10

    cache = Path.home() / ".cache" / "secateur"
    try:
        splits = [CIFAR10(str(cache), train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"cannot download CIFAR-10 to {cache}: {error}; "
            "give the folder that holds it by --data-root"
        ) from error
    train, test = (Images(s.data, np.asarray(s.targets, dtype=np.int64)) for s in splits)
    return train, test


MOST_JUDGED = 5000
"""Pictures of a folder's search split, and of its final one, at most: they stay in memory."""


def imagefolder(root: Path | None = None) -> Dataset:
    """Pictures in `root/train` and `root/val`, as ImageNet's: a folder for each class.

    Every second picture of `val` is to search with, the others to look at once; of each at most
    5,000, evenly spread over the classes. All are shuffled once and for all.
    """
    if root is None:
        raise ValueError("the data set imagefolder needs its folder: give it by --data-root")
    train, val = read_folder(root)
    each = min(MOST_JUDGED, len(val) // 2)
    if each == 0:
        raise ValueError(f"{root / 'val'} holds {len(val)} picture, at least 2 are needed")
    draws = np.random.default_rng(0)
    spread = np.linspace(0, len(val) - 1, 2 * each).round().astype(np.int64)
    return Dataset(
        "imagefolder",
        train.ordered(draws.permutation(len(train))),
        val[draws.permutation(spread[::2])],
        val[draws.permutation(spread[1::2])],
        mean=_MEAN,
        std=_STD,
    )


BUILT_IN: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": digits,
    "cifar10": cifar10,
    "imagefolder": imagefolder,
}


def load_dataset(name: str, root: Path | None = None) -> Dataset:
    """Load a built-in data set, or a user's by import path: a callable that takes the root."""
    if name in BUILT_IN:
        return BUILT_IN[name](root)
    if ":" not in name:
        raise ValueError(
            f"no data set is called {name!r}: use {', '.join(sorted(BUILT_IN))} "
            "or an import path package.module:function"
        )
    dataset = resolve(name)(root)
    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"{name} must return a secateur.methods.data.datasets.Dataset, "
            f"got {type(dataset).__name__}"
        )
    return dataset
