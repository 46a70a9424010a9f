"""The image convention: uint8 NHWC on disk, float32 NHWC in [0, 1] for models, uint8 grids as PNG for people.

On disk a data set is a folder with `<split>_images.npy` (uint8, NHWC), `<split>_labels.npy` (int64, -1 where there is
no label) for the splits train, validation and test, and `dataset.json`, its description.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genlab.runtime.errors import InputError

ImageShape = tuple[int, int, int]
"""Height, width and channels."""
SPLITS = ("train", "validation", "test")


class Split(NamedTuple):
    """Images, uint8 (n, height, width, channels), and labels, int64 (n,), -1 where there is none."""

    images: np.ndarray
    labels: np.ndarray


def read_split(directory: Path, split: str) -> Split:
    """Opens one split of a fetched data set, memory-mapped.

    Raises:
        InputError: The folder holds no such split.
    """
    paths = [Path(directory) / f"{split}_{part}.npy" for part in ("images", "labels")]
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"{path} must be a split of a fetched data set",
                "no such file",
                "Run: dvc repro fetch",
            )
    images, labels = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    return Split(images, labels)


def read_description(directory: Path) -> dict[str, Any]:
    """Reads `dataset.json`: name, image_shape, class_names, num_images per split, sha256, licence, citation.

    And `held_out_classes`: names of classes that train and validation lack.
    """
    path = Path(directory) / "dataset.json"
    if not path.is_file():
        raise InputError(
            f"{path} must describe a fetched data set",
            "no such file",
            "Run: dvc repro fetch",
        )
    return json.loads(path.read_text())


def held_out_labels(description: Mapping[str, Any]) -> list[int]:
    """Returns the labels of the classes that only the test split has (`data.held_out_classes`)."""
    return [
        description["class_names"].index(name) for name in description.get("held_out_classes", [])
    ]


def part_outliers(split: Split, description: Mapping[str, Any]) -> tuple[Split, Split]:
    """Returns the images of the classes that train has, and those of the classes that were held out."""
    if not description.get("held_out_classes"):
        return split, Split(split.images[:0], split.labels[:0])  # memory-mapped as it is
    held_out = np.isin(split.labels, held_out_labels(description))
    inliers, outliers = (
        Split(split.images[rows], split.labels[rows]) for rows in (~held_out, held_out)
    )
    return inliers, outliers


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


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns images in [0, 1] as uint8, rounded to the nearest grey value and clipped; what is not a number is 0."""
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
    canvas = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8
    )
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays as npz; equal arrays give equal bytes."""
    with path.open("wb") as file:  # by name, NumPy would add an ending
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its signature takes `allow_pickle` for any keyword


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes one uint8 image (height, width, 1 or 3 channels) as PNG; equal images give equal bytes."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path, format="PNG")
