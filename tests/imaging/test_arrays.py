"""The image convention: files, conversions, grids."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import random_images, write_dataset
from PIL import Image

from genlab.imaging import arrays
from genlab.runtime.errors import InputError


def test_every_grey_value_survives_the_way_to_floats_and_back() -> None:
    grey = np.arange(256, dtype=np.uint8)
    floats = arrays.to_float(grey)
    assert (floats.dtype, floats[0], floats[255]) == (np.float32, 0, 1)
    np.testing.assert_array_equal(arrays.to_uint8(floats), grey)


def test_floats_are_rounded_and_clipped() -> None:
    values = np.array([-0.5, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.7, np.nan])
    np.testing.assert_array_equal(arrays.to_uint8(values), [0, 0, 1, 255, 255, 0])


def test_grid_by_hand() -> None:
    pictures = np.stack([np.full((1, 2, 1), value, np.uint8) for value in (10, 20, 30)])
    expected = [[10, 10, 255, 20, 20], [255] * 5, [30, 30, 255, 255, 255]]
    np.testing.assert_array_equal(arrays.grid(pictures)[..., 0], expected)


@pytest.mark.parametrize(
    ("number", "columns", "gap", "shape"), [(64, None, 1, (71, 71, 3)), (5, 5, 0, (8, 40, 3))]
)
def test_grid_sizes(
    number: int, columns: int | None, gap: int, shape: tuple[int, int, int]
) -> None:
    assert arrays.grid(random_images(number, (8, 8, 3)), columns, gap).shape == shape


@pytest.mark.parametrize("channels", [1, 3])
def test_png_holds_the_very_pixels_in_equal_bytes(tmp_path: Path, channels: int) -> None:
    picture = random_images(1, (5, 4, channels))[0]
    for name in ("new/first.png", "new/second.png"):
        arrays.write_png(tmp_path / name, picture)
    assert (tmp_path / "new/first.png").read_bytes() == (tmp_path / "new/second.png").read_bytes()
    with Image.open(tmp_path / "new/first.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened).reshape(5, 4, channels), picture)


def test_digest_sees_type_shape_order_and_bytes() -> None:
    values = np.arange(4, dtype=np.uint8)
    others = [values.astype(np.int8), values.reshape(2, 2), values[::-1], values + 1]
    assert len({arrays.digest(array) for array in [values, *others]}) == 5
    assert arrays.digest(values, values[:2]) != arrays.digest(values[:2], values)
    assert arrays.digest(values) == hashlib.sha256(b"|u1(4,)\x00\x01\x02\x03").hexdigest()


def test_digest_does_not_see_how_an_array_lies_in_memory() -> None:
    values = random_images(3)
    assert arrays.digest(np.asfortranarray(values)) == arrays.digest(values)


def test_split_is_opened_without_being_read(tmp_path: Path) -> None:
    split = arrays.read_split(write_dataset(tmp_path), "validation")
    assert isinstance(split.images, np.memmap)
    assert (split.images.shape, split.images.dtype) == ((12, 8, 8, 1), np.uint8)
    assert (split.labels.shape, split.labels.dtype) == ((12,), np.int64)
    assert arrays.read_description(tmp_path)["image_shape"] == [8, 8, 1]


def test_missing_data_set_is_refused(tmp_path: Path) -> None:
    for name, read in (
        ("test_images.npy", lambda: arrays.read_split(tmp_path, "test")),
        ("dataset.json", lambda: arrays.read_description(tmp_path)),
    ):
        with pytest.raises(InputError) as caught:
            read()
        assert caught.value.expected.startswith(f"{tmp_path / name} must ")
        assert caught.value.where == "Run: dvc repro fetch"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_half_a_description_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = write_dataset(tmp_path / "images") / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="must be whole") as caught:
        arrays.read_description(path.parent)
    assert str(path) in caught.value.expected
    assert caught.value.where == "Run: dvc repro fetch"


@pytest.mark.parametrize("kept", [0, 50, -9])
def test_half_an_array_is_one_line(tmp_path: Path, kept: int) -> None:
    path = write_dataset(tmp_path / "images") / "train_images.npy"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="must be whole") as caught:
        arrays.read_split(path.parent, "train")
    assert str(path) in caught.value.expected
    assert caught.value.where == "Run: dvc repro fetch"


# Choosing some images for the whole


@pytest.mark.parametrize("number", [1, 7, 50, 99])
def test_fewer_images_have_the_classes_of_the_whole(number: int) -> None:
    """The labels are sorted, as folders are: the first images are of one class."""
    labels = np.repeat([0, 1, 2, 5], [50, 30, 19, 1])
    rows = arrays.choose_rows(labels, number)
    assert len(set(rows.tolist())) == len(rows) == number
    shares = np.bincount(labels, minlength=6) * number / 100
    assert np.abs(np.bincount(labels[rows], minlength=6) - shares).max() <= 1
    assert arrays.choose_rows(labels, 99)[:number].tolist() == rows.tolist()
    assert arrays.choice_of(labels, number) == "by class in equal shares, seed 0"


@pytest.mark.parametrize("number", [100, 1000])
def test_all_images_are_in_their_own_order(number: int) -> None:
    labels = np.arange(100) % 3
    assert arrays.choose_rows(labels, number).tolist() == list(range(100))
    assert arrays.choice_of(labels, number) == "all"


def test_places_within_a_class_are_random() -> None:
    """Two populations of writers, one after the other, and no classes: both are in the choice."""
    rows = arrays.choose_rows(np.full(10_000, -1), 1000)
    assert abs(np.mean(rows < 5000) - 0.5) < 0.05  # three standard deviations
