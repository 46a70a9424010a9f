"""Images in a notebook: a grid for people, an array for all else."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genlab.imaging.pictures import Pictures, read_png
from genlab.runtime.errors import InputError


def shown(pictures: Pictures) -> np.ndarray:
    png = pictures._repr_png_()
    assert png
    return np.asarray(Image.open(io.BytesIO(png)))


def test_grid_is_enlarged_pixel_by_pixel_with_gaps() -> None:
    """8 x 10 pixels, each as a square of 5 x 5; 4 between images."""
    grey = np.array([0.0, 1.0, 0.5], np.float32)[:, None, None, None]
    image = shown(Pictures(grey * np.ones((3, 8, 10, 1)), columns=2))
    assert image.shape == (2 * 40 + 4, 2 * 50 + 4)
    corners = [image[0, 0], image[0, 54], image[44, 0], image[44, 54]]
    assert corners == [0, 255, 128, 255]  # an empty place is white
    assert (image[40:44] == 255).all()


@pytest.mark.parametrize(("size", "pixels"), [(28, 56), (40, 40), (64, 64)])
def test_shorter_side_has_40_pixels_at_least(size: int, pixels: int) -> None:
    assert shown(Pictures(np.zeros((1, size, size, 3), np.uint8))).shape == (pixels, pixels, 3)


def test_first_400_of_many_are_shown() -> None:
    many = Pictures(np.zeros((401, 40, 40, 1), np.uint8), columns=1)
    assert shown(many).shape == (400 * 44 - 4, 40)


@pytest.mark.parametrize(
    "values", [np.zeros((3, 4)), np.zeros((0, 8, 8, 1)), np.zeros((2, 8, 8, 1), np.int64)]
)
def test_other_arrays_are_no_pictures(values: np.ndarray) -> None:
    assert Pictures(values)._repr_png_() is None


def test_for_all_else_they_are_an_array() -> None:
    pictures = Pictures(np.linspace(0, 1, 2 * 8 * 8).reshape(2, 8, 8, 1), columns=2)
    assert (pictures[:1].columns, (1 - pictures).columns) == (2, 2)
    means = pictures.mean(axis=(1, 2, 3))
    assert type(means) is np.ndarray
    assert json.dumps(pictures.max()) == "1.0"
    np.testing.assert_array_equal(np.asarray(pictures.in_columns(1)), np.asarray(pictures))


def test_saved_grid_is_pixel_by_pixel(tmp_path: Path) -> None:
    pictures = Pictures(np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3), columns=1)
    pictures.save(tmp_path / "new" / "grid.png")
    saved = read_png(tmp_path / "new" / "grid.png")
    assert saved.shape == (7, 4, 3)
    np.testing.assert_array_equal(saved[:3], pictures[0])
    np.testing.assert_array_equal(saved[4:], pictures[1])
    for wrong, name in ((pictures[0], "grid.png"), (pictures, "grid.gif")):
        with pytest.raises(InputError, match=r"must end in \.png, and pictures have the shape"):
            wrong.save(tmp_path / name)


def test_grey_picture_is_read_with_its_channel(tmp_path: Path) -> None:
    Pictures(np.full((1, 5, 6, 1), 7, np.uint8)).save(tmp_path / "grey.png")
    assert read_png(tmp_path / "grey.png").shape == (5, 6, 1)
