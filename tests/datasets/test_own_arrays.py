"""The user's own arrays: names, splits, labels, and what is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import random_images

from genlab.data.declaration import RawSplits
from genlab.datasets import arrays
from genlab.runtime.errors import InputError
from genlab.settings.params import Params

Read = Callable[..., RawSplits]
IMAGES = random_images(40, (6, 5, 3))
OTHERS = random_images(9, (6, 5, 3), 1)


@pytest.fixture
def read(tmp_path: Path, change_data: Callable[..., Params]) -> Read:
    """Returns a function that saves arrays and reads them as a data set."""

    def read(content: Mapping[str, Any], name: str = "own.npz") -> RawSplits:
        if name.endswith(".npy"):
            np.save(tmp_path / name, content["images"])
        elif content:
            np.savez(tmp_path / name, **content)
        data = change_data(directory=str(tmp_path / name), test_share=0.25).data
        return arrays.read(tmp_path, data, 0)

    return read


def pixels(*splits: Any) -> list[bytes]:
    return sorted(image.tobytes() for split in splits for image in split["images"])


@pytest.mark.parametrize("name", ["own.npz", "own.npy"])
def test_test_split_is_chosen_where_there_is_none(read: Read, name: str) -> None:
    raw = read({"images": IMAGES}, name)
    assert raw.fields["images"].shape == (6, 5, 3)
    assert "labels" not in raw.fields
    assert pixels(raw.train, raw.test) == pixels({"images": IMAGES})
    assert 3 < len(raw.test["images"]) < 20


LABELS, OTHER_LABELS = np.arange(40) % 3, np.arange(9) % 3


@pytest.mark.parametrize(
    "content",
    [
        {"x_train": IMAGES, "y_train": LABELS, "x_test": OTHERS, "y_test": OTHER_LABELS},
        {
            "train_images": IMAGES / 255,
            "train_labels": LABELS[:, np.newaxis],
            "test_images": OTHERS / 255,
            "test_labels": OTHER_LABELS[:, np.newaxis].astype(np.uint8),
        },
        {
            "images": IMAGES,
            "labels": np.array(["0", "1", "2"])[LABELS],
            "test_images": OTHERS,
            "test_labels": np.array(["0", "1", "2"])[OTHER_LABELS],
        },
    ],
)
def test_own_splits_are_kept(read: Read, content: dict[str, Any]) -> None:
    raw = read(content)
    np.testing.assert_array_equal(raw.train["images"], IMAGES)
    np.testing.assert_array_equal(raw.test["images"], OTHERS)
    np.testing.assert_array_equal(raw.train["labels"], LABELS)
    np.testing.assert_array_equal(raw.test["labels"], OTHER_LABELS)
    assert raw.fields["labels"].class_names == ("0", "1", "2")
    assert raw.validation is None


def test_own_validation_split_and_class_names(read: Read) -> None:
    splits = {"train_images": IMAGES, "val_images": OTHERS, "test_images": OTHERS[:3]}
    labels = {"train_labels": LABELS, "val_labels": OTHER_LABELS, "test_labels": OTHER_LABELS[:3]}
    raw = read(splits | labels | {"class_names": np.array(["cat", "dog", "emu"])})
    assert raw.fields["labels"].class_names == ("cat", "dog", "emu")
    assert raw.validation is not None
    np.testing.assert_array_equal(raw.validation["images"], OTHERS)
    np.testing.assert_array_equal(raw.validation["labels"], OTHER_LABELS)


def test_a_single_array_may_have_any_name_and_others_are_named(
    read: Read, capfd: pytest.CaptureFixture[str]
) -> None:
    np.testing.assert_array_equal(pixels(*read({"faces": IMAGES})[1:3]), pixels({"images": IMAGES}))
    read({"images": IMAGES, "weights": np.ones(40)})
    assert "fetch: arrays left out: weights" in capfd.readouterr().err


HOLDS = "must hold arrays `images` and perhaps `labels`"


@pytest.mark.parametrize(
    ("content", "expected", "received"),
    [
        ({}, "data.directory must be an .npz or .npy", "no such file"),
        ({"images": np.array([{}])}, HOLDS, "pickled objects, or another format"),
        ({"a": IMAGES, "b": IMAGES}, HOLDS, "the arrays a, b"),
        ({"labels": LABELS}, HOLDS, "the arrays labels"),
        (
            {"images": IMAGES, "Images": IMAGES},
            HOLDS,
            "the arrays images and Images, which mean the same",
        ),
        ({"images": IMAGES[0]}, HOLDS, "the shape (6, 5, 3), which is that of one picture"),
        ({"images": IMAGES * 1.0}, HOLDS, "values from 0 to 255"),
        ({"test_images": IMAGES}, "there must be images for train", "test"),
        (
            {"train_images": IMAGES, "test_images": OTHERS[:, :4]},
            "images of all splits must have one shape",
            "6x5x3 in train, 4x5x3 in test",
        ),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": OTHERS},
            "labels must be given for all splits or none",
            "none for test",
        ),
        (
            {"images": IMAGES, "labels": LABELS[:-1]},
            "labels of train must be 40 integers or texts, one for each image",
            "the shape (39,), the type int64",
        ),
        (
            {"images": IMAGES, "labels": np.eye(40)},
            "labels of train must be 40 integers",
            "the shape (40, 40), the type float64",
        ),
        (
            {"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])},
            "labels of train must be from 0 to 1, as there are 2 classes",
            "0 to 2",
        ),
    ],
)
def test_wrong_files_are_refused_in_one_line(
    read: Read, content: dict[str, Any], expected: str, received: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(content)
    assert expected in caught.value.expected
    assert received in caught.value.received
    assert caught.value.where == "See params.yaml: data.directory"
    assert "\n" not in str(caught.value)


def test_of_arrays_that_mean_the_same_the_plain_one_counts(
    read: Read, capfd: pytest.CaptureFixture[str]
) -> None:
    content = {"image_ids": LABELS, "images": IMAGES, "images_small": IMAGES[:, :2]}
    raw = read(content | {"labels_coarse": LABELS + 1, "labels": LABELS})
    assert raw.fields["images"].shape == (6, 5, 3)
    assert raw.fields["labels"].class_names == ("0", "1", "2")
    line = "fetch: arrays left out: image_ids, images_small, labels_coarse"
    assert line in capfd.readouterr().err


def test_slashes_part_words_and_one_class_name_is_one(read: Read) -> None:
    content = {"train/images": IMAGES, "train/labels": LABELS * 0, "test/images": OTHERS}
    raw = read(content | {"test/labels": OTHER_LABELS * 0, "class_names": np.array("cat")})
    assert raw.fields["labels"].class_names == ("cat",)


def test_an_ending_may_have_capitals(tmp_path: Path, change_data: Callable[..., Params]) -> None:
    np.savez(tmp_path / "own.npz", images=IMAGES)
    (tmp_path / "own.npz").rename(tmp_path / "OWN.NPZ")
    data = change_data(directory=str(tmp_path / "OWN.NPZ"), test_share=0.25).data
    assert arrays.read(tmp_path, data, 0).fields["images"].shape == (6, 5, 3)
