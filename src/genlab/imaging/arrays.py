"""The image convention: uint8 on disk, float32 in [0, 1] for models, grids as PNG for people.

All images are arrays (n, height, width, channels).
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genlab.contract.fields import read_arrays
from genlab.contract.fields import read_description as read_description
from genlab.runtime.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

ImageShape = tuple[int, int, int]
"""Height, width and channels."""
SLACK = 0.5 / 255
"""Of the range: what lies so little beyond it, by float arithmetic, rounds to black or white."""
SPLITS = ("train", "validation", "test")
STRATIFIED = "by class in equal shares, seed 0"


class Split(NamedTuple):
    """Images, uint8 (n, height, width, channels), and labels, int64 (n,), -1 for no label."""

    images: np.ndarray
    labels: np.ndarray


def read_split(directory: Path, split: str) -> Split:
    """Opens images and labels of one split of a fetched data set, memory-mapped.

    Raises:
        InputError: The folder holds no such split.
    """
    return Split(**read_arrays(directory, split, Split._fields))


def held_out_labels(description: Mapping[str, Any]) -> list[int]:
    """Returns the labels of the classes that only the test split has (`data.held_out_classes`)."""
    names = description["class_names"]
    return [names.index(name) for name in description.get("held_out_classes", [])]


def part_outliers(split: Split, description: Mapping[str, Any]) -> tuple[Split, Split]:
    """Returns the images of the classes that train has, and those of the held-out classes."""
    if not description.get("held_out_classes"):
        return split, Split(split.images[:0], split.labels[:0])  # memory-mapped as it is
    held_out = np.isin(split.labels, held_out_labels(description))
    inliers = Split(split.images[~held_out], split.labels[~held_out])
    return inliers, Split(split.images[held_out], split.labels[held_out])


def choose_rows(labels: np.ndarray, number: int) -> np.ndarray:
    """Returns the rows of at most `number` images that stand for a split: (number,), or all.

    All are in their own order. Fewer are drawn at random, and each class has its share of the whole
    to within one image. The first images of a split are no sample: MNIST's test images are of two
    groups of writers, and folders are sorted by class. The seed is fixed, so that numbers on as
    many images are on the same ones; the first rows do not depend on the number.
    """
    if number >= len(labels):
        return np.arange(len(labels))
    generator, ranks = np.random.default_rng(0), np.empty(len(labels))
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        ranks[rows] = (np.arange(len(rows)) + generator.random()) / len(rows)
    return np.argsort(ranks, kind="stable")[:number]


def choice_of(labels: np.ndarray, number: int) -> str:
    """Returns what a protocol says of `choose_rows`."""
    return "all" if number >= len(labels) else STRATIFIED


def empty(shape: tuple[int, ...], where: str) -> np.ndarray:
    """Returns an array for images, uint8, whose values are not set.

    Args:
        shape: (n, height, width, channels).
        where: What set the shape, for errors: `"See params.yaml: data.image_size"`.

    Raises:
        InputError: It takes more memory than is free.
    """
    import psutil

    asked, free = math.prod(shape), psutil.virtual_memory().available
    if asked > free:
        number, *size = shape
        received = f"{asked:,} bytes for {number:,} of {'x'.join(map(str, size))}, {free:,} free"
        raise InputError("images must fit into memory", received, where)
    return np.empty(shape, np.uint8)


def digest(*arrays: np.ndarray) -> str:
    """Returns the SHA-256 of the arrays' types, shapes and bytes."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(f"{array.dtype.str}{array.shape}".encode())
        sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()


def to_float(images: np.ndarray) -> np.ndarray:
    """Returns uint8 images as float32 in [0, 1]."""
    return np.asarray(images, dtype=np.float32) / np.float32(255)


def to_unit(images: np.ndarray) -> np.ndarray:
    """Returns uint8 images, or floats in [0, 1], as float32 in [0, 1].

    Raises:
        InputError: They are neither.
    """
    if images.dtype == np.uint8:
        return to_float(images)
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 1.0)
    if images.dtype.kind != "f" or not (low >= -SLACK and high <= 1 + SLACK):
        received = f"{images.dtype} from {low:g} to {high:g}"
        expected = "images must be uint8, or floats in [0, 1]"
        raise InputError(expected, received, "See the images given")
    return np.clip(images, 0, 1).astype(np.float32)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns images in [0, 1] as uint8, rounded to the nearest and clipped; NaN becomes 0."""
    values = np.nan_to_num(np.asarray(images, dtype=np.float32) * 255)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """Returns the images laid out row by row on white, uint8 (height, width, channels).

    Args:
        images: uint8 (n, height, width, channels).
        columns: Images per row; the nearest to a square when not given.
        gap: White pixels between two images.
    """
    num_images, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(num_images))
    rows = math.ceil(num_images / columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    canvas = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays as npz; equal arrays give equal bytes."""
    with path.open("wb") as file:  # given a name, NumPy would add an ending
        np.savez(file, **arrays)  # type: ignore[arg-type]  # taken for `allow_pickle`


def as_picture(image: np.ndarray) -> "Image.Image":
    """Returns one uint8 image (height, width, 1 or 3 channels) as a picture of Pillow."""
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes one uint8 image (height, width, 1 or 3 channels); equal images give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    as_picture(image).save(path, format="PNG")
