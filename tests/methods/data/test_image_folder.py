import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from secateur.methods.data.batches import Batches
from secateur.methods.data.datasets import load_dataset
from secateur.methods.data.image_folder import SIDE, read_folder
from secateur.methods.data.normalisation import Normalisation


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes, red and blue; pictures of several sizes, grey at the edges."""
    for split, count in (("train", 6), ("val", 4)):
        for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                width, height = (400, 300) if number % 2 else (300, 500)
                picture = Image.new("RGB", (width, height), (128, 128, 128))
                picture.paste(colour, (width // 3, height // 3, 2 * width // 3, 2 * height // 3))
                picture.save(tmp_path / split / name / f"{number}.png")
    (tmp_path / "train" / "red" / "notes.txt").write_text("no picture")
    return tmp_path


def test_classes_are_folders_in_order_and_other_files_are_passed_over(folder):
    pictures, _ = read_folder(folder)
    assert len(pictures) == 12
    assert pictures.labels.tolist() == [0] * 6 + [1] * 6


def test_a_class_has_one_number_where_val_lacks_another(folder):
    shutil.rmtree(folder / "val" / "blue")
    _, val = read_folder(folder)
    assert val.labels.tolist() == [1] * 4


def test_a_class_that_nothing_teaches_is_refused(folder):
    (folder / "val" / "green").mkdir()
    with pytest.raises(ValueError, match=r"val has a class green that .*train has not: both need"):
        read_folder(folder)


def test_the_first_images_of_a_split_are_not_of_one_class(folder):
    dataset = load_dataset("imagefolder", folder)
    for split in (dataset.train, dataset.search, dataset.final):
        labels = split.labels.tolist()
        assert labels != sorted(labels)


def test_pictures_are_read_when_they_are_asked_for_and_show_their_middle(folder):
    pictures = read_folder(folder)[0]
    images = pictures[np.array([7, 0])]
    assert images.pixels.shape == (2, SIDE, SIDE, 3)
    assert images.labels.tolist() == [1, 0]
    assert images.pixels[0, SIDE // 2, SIDE // 2].tolist() == [255, 0, 0]
    assert images.pixels[1, SIDE // 2, SIDE // 2].tolist() == [0, 0, 255]
    assert images.pixels[0, 0, 0].tolist() == [128, 128, 128]
    assert len(pictures[:3]) == 3


def test_half_of_val_is_searched_with_and_the_other_half_looked_at_once(folder):
    dataset = load_dataset("imagefolder", folder)
    assert dataset.shape == (3, SIDE, SIDE)
    assert np.bincount(dataset.search.labels).tolist() == [2, 2]
    assert np.bincount(dataset.final.labels).tolist() == [2, 2]


def test_batches_are_made_of_it_as_of_images_in_memory(folder):
    pictures = read_folder(folder)[0]
    normalisation = Normalisation((0.5,) * 3, (0.25,) * 3)
    lazily, at_once = (
        next(Batches(images, normalisation, 4, True, 0).epoch(0, rank=0, workers=1))
        for images in (pictures, pictures[:])
    )
    np.testing.assert_array_equal(lazily[0].numpy(), at_once[0].numpy())
    assert lazily[1].tolist() == at_once[1].tolist()


def test_what_is_no_picture_is_named(folder):
    (folder / "val" / "red" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot read the picture .*val/red/0\.png"):
        load_dataset("imagefolder", folder)


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no classes in .*train: expected a folder for each"):
        load_dataset("imagefolder", tmp_path)
    with pytest.raises(ValueError, match="needs its folder: give it by --data-root"):
        load_dataset("imagefolder")


def test_a_folder_without_pictures_is_refused(folder):
    for picture in (folder / "val").rglob("*.png"):
        picture.unlink()
    with pytest.raises(ValueError, match="no pictures in"):
        load_dataset("imagefolder", folder)
