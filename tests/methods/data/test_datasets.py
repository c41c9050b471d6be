import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from secateur.methods.data.datasets import Dataset, cifar10, digits, load_dataset
from secateur.methods.data.images import Images


def images(count: int = 3, channels: int = 1) -> Images:
    return Images(np.zeros((count, 4, 4, channels), np.uint8), np.zeros(count, np.int64))


def test_images_are_selected_with_their_labels():
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None]
    chosen = Images(pixels, np.arange(5) * 10)[np.array([3, 1])]
    assert len(chosen) == 2
    assert chosen.pixels.ravel().tolist() == [3, 1]
    assert chosen.labels.tolist() == [30, 10]


@pytest.mark.parametrize(
    "pixels", [np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4, 1), np.float32)]
)
def test_pixels_of_another_kind_are_refused(pixels):
    with pytest.raises(ValueError, match="pixels must be uint8 of shape"):
        Images(pixels, np.zeros(3, np.int64))


@pytest.mark.parametrize("labels", [np.zeros(2, np.int64), np.zeros((3, 1), np.int64)])
def test_every_image_has_one_label(labels):
    with pytest.raises(ValueError, match="one label for each of 3 images"):
        Images(np.zeros((3, 4, 4, 1), np.uint8), labels)


def test_a_dataset_knows_the_shape_of_its_images():
    pixels = np.zeros((2, 5, 7, 3), np.uint8)
    split = Images(pixels, np.zeros(2, np.int64))
    dataset = Dataset("d", split, split, split, mean=(0, 0, 0), std=(1, 1, 1))
    assert dataset.shape == (3, 5, 7)


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (1, 1, 1)), ((0, 0, 0), (1,))])
def test_the_normalisation_has_one_number_a_channel(mean, std):
    split = images(channels=3)
    with pytest.raises(ValueError, match="mean and std need 3 numbers"):
        Dataset("d", split, split, split, mean=mean, std=std)


@pytest.mark.parametrize("empty", ["train", "search", "final"])
def test_an_empty_split_is_named(empty):
    splits = {name: images(0 if name == empty else 3) for name in ("train", "search", "final")}
    with pytest.raises(ValueError, match=f"the {empty} split holds no images"):
        Dataset("d", **splits, mean=(0,), std=(1,))


def test_the_splits_of_the_digits_are_disjoint_and_hold_every_image():
    dataset = digits()
    splits = (dataset.train, dataset.search, dataset.final)
    assert [len(split) for split in splits] == [797, 500, 500]
    ours = sorted(
        (int(label), pixels.tobytes())
        for split in splits
        for label, pixels in zip(split.labels, split.pixels, strict=True)
    )
    bunch = load_digits()
    theirs = sorted(
        (int(label), np.rint(image * 255 / 16).astype(np.uint8).tobytes())
        for label, image in zip(bunch.target, bunch.images, strict=True)
    )
    assert ours == theirs  # every image as often as it is there: none twice, none left out


def test_every_split_of_the_digits_holds_every_class():
    dataset = digits()
    for split in (dataset.train, dataset.search, dataset.final):
        assert np.bincount(split.labels, minlength=10).min() >= 30


def test_the_digits_are_the_same_every_time():
    assert np.array_equal(digits().search.pixels, digits().search.pixels)


def test_the_digits_are_normalised_to_mean_0_and_deviation_1():
    dataset = digits()
    pixels = dataset.train.pixels / 255
    assert pixels.mean() == pytest.approx(dataset.mean[0], abs=0.01)
    assert pixels.std() == pytest.approx(dataset.std[0], abs=0.01)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Write a module of the user's into the working directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)

    def write(name: str, body: str) -> None:
        (tmp_path / f"{name}.py").write_text(body)

    return write


def test_a_dataset_of_the_users_own_is_loaded_by_its_import_path(own_module, tmp_path):
    own_module(
        "own_data",
        "from dataclasses import replace\n"
        "from secateur.methods.data.datasets import digits\n"
        "def load(root):\n"
        "    return replace(digits(), name=str(root))\n",
    )
    assert load_dataset("own_data:load", tmp_path).name == str(tmp_path)


def test_a_callable_that_returns_something_else_is_refused(own_module):
    own_module("no_data", "def load(root):\n    return [1, 2]\n")
    with pytest.raises(ValueError, match=r"no_data:load must return a .*Dataset, got list"):
        load_dataset("no_data:load")


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="no data set is called 'mnist': use cifar10, digits"):
        load_dataset("mnist")


def sheet(first: int) -> Image.Image:
    """A sheet whose image k is grey (first + k) % 251 all over, but for one white pixel."""
    tiles = (first + np.arange(10_000)).reshape(100, 100) % 251
    pixels = np.repeat(np.repeat(tiles, 32, axis=0), 32, axis=1).astype(np.uint8)
    pixels[2::32, 5::32] = 255
    return Image.fromarray(np.repeat(pixels[..., None], 3, axis=2))


@pytest.fixture(scope="module")
def sheets(tmp_path_factory) -> Path:
    """CIFAR-10 in the form that is read, with pictures of ours (as PNG: quicker to write)."""
    root = tmp_path_factory.mktemp("data")
    (root / "cifar10").mkdir()
    for name, first in [("train_1", 0), ("test", 7)]:
        sheet(first).save(root / "cifar10" / f"{name}.webp", format="PNG", compress_level=1)
    labels = {"train_labels": np.arange(50_000) % 10, "test_labels": np.arange(10_000) % 7}
    np.savez(root / "cifar10" / "labels.npz", **{k: v.astype(np.uint8) for k, v in labels.items()})
    return root


def test_sheets_are_cut_into_images_row_by_row(sheets):
    dataset = load_dataset("cifar10", sheets)
    assert dataset.shape == (3, 32, 32)
    assert [len(s) for s in (dataset.train, dataset.search, dataset.final)] == [10_000, 5000, 5000]
    assert np.array_equal(dataset.train.pixels[:, 0, 0, 0], np.arange(10_000) % 251)
    assert np.array_equal(dataset.search.pixels[:, 0, 0, 2], (7 + np.arange(5000)) % 251)
    assert np.array_equal(dataset.final.pixels[:, 31, 31, 1], (5007 + np.arange(5000)) % 251)
    assert np.all(dataset.train.pixels[:, 2, 5] == 255)
    assert np.array_equal(dataset.train.labels, np.arange(10_000) % 10)
    assert np.array_equal(dataset.final.labels, np.arange(5000, 10_000) % 7)


def test_the_training_split_is_as_long_as_there_are_sheets_in_a_row(broken):
    for number, first in ((2, 100), (4, 0)):  # the third is missing: the fourth does not count
        picture = broken / "cifar10" / f"train_{number}.webp"
        sheet(first).save(picture, format="PNG", compress_level=1)
    dataset = cifar10(broken)
    assert len(dataset.train) == 20_000
    assert np.array_equal(dataset.train.pixels[10_000:, 0, 0, 0], (100 + np.arange(10_000)) % 251)
    assert np.array_equal(dataset.train.labels, np.arange(20_000) % 10)


@pytest.fixture
def broken(sheets, tmp_path) -> Path:
    """Links to the sheets, which a test may break."""
    (tmp_path / "cifar10").mkdir()
    for file in (sheets / "cifar10").iterdir():
        (tmp_path / "cifar10" / file.name).symlink_to(file)
    return tmp_path


def replace(root: Path, name: str, content: bytes) -> None:
    (root / "cifar10" / name).unlink()
    (root / "cifar10" / name).write_bytes(content)


@pytest.mark.parametrize("name", ["labels.npz", "train_1.webp", "test.webp"])
def test_a_file_that_is_missing_is_named(broken, name):
    (broken / "cifar10" / name).unlink()
    with pytest.raises(ValueError, match=f"the data root has no {name} in"):
        cifar10(broken)


@pytest.mark.parametrize("name", ["train_1.webp", "test.webp"])
def test_a_picture_that_is_none_is_named(broken, name):
    replace(broken, name, b"no picture")
    with pytest.raises(ValueError, match=rf"cannot read the image file .*{name}"):
        cifar10(broken)


def test_a_picture_that_is_cut_short_is_named(broken, sheets):
    content = (sheets / "cifar10" / "test.webp").read_bytes()
    replace(broken, "test.webp", content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cannot read the image file .*test\.webp"):
        cifar10(broken)


def test_a_sheet_of_another_size_is_refused(broken):
    (broken / "cifar10" / "test.webp").unlink()
    Image.new("RGB", (320, 320)).save(broken / "cifar10" / "test.webp", lossless=True)
    with pytest.raises(ValueError, match=r"test\.webp must be a sheet of 3200x3200 pixels"):
        cifar10(broken)


@pytest.mark.parametrize("damage", ["cut short", "empty", "without labels"])
def test_labels_that_cannot_be_read_are_named(broken, sheets, damage):
    content = (sheets / "cifar10" / "labels.npz").read_bytes()
    replace(broken, "labels.npz", {"cut short": content[:500]}.get(damage, b""))
    if damage == "without labels":
        np.savez(broken / "cifar10" / "labels.npz", other=np.zeros(1))
    with pytest.raises(ValueError, match=r"labels\.npz"):
        cifar10(broken)


TEST_SHA256 = "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04"
TRAIN_SHA256 = "fc115a3de050d667b88cbd5b0b9612ebf996c54230fe7758f3a14bb5af9a1c27"


def test_cifar10_is_decoded_to_the_published_bytes(real_data):
    dataset = cifar10(real_data)
    test = np.concatenate([dataset.search.pixels, dataset.final.pixels])
    assert hashlib.sha256(test.tobytes()).hexdigest() == TEST_SHA256
    assert hashlib.sha256(dataset.train.pixels[:10_000].tobytes()).hexdigest() == TRAIN_SHA256
    labels = np.concatenate([dataset.search.labels, dataset.final.labels])
    assert np.bincount(labels).tolist() == [1000] * 10
