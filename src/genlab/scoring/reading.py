"""Pictures of any project: a folder of PNG and JPEG files, an .npz or an .npy, as uint8 NHWC."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genlab.datasets import image_folder
from genlab.imaging.arrays import to_uint8
from genlab.runtime.errors import InputError
from genlab.runtime.files import DAMAGED

CHUNK_IMAGES = 1000
ARRAYS = "an array `images` (or one array alone), uint8 or float in [0, 1], of the shape (n, height, width[, 1 or 3])"


class Pictures(NamedTuple):
    """uint8 (n, height, width, channels), and what was done to the values."""

    images: np.ndarray
    quantisation: str


def read(path: Path, channels: int | None, option: str) -> Pictures:
    """Returns the pictures in `path`.

    Args:
        path: A folder, or a file that ends in .npz or .npy; floats are rounded to uint8.
        channels: That a folder's pictures are made to have, 1 or 3; None: grey where all are grey. Arrays are kept.
        option: That gave the path, for errors: `--real`.

    Raises:
        InputError: There are no pictures, or they cannot be read as such; the message is one line.
    """
    if path.is_dir():
        return Pictures(image_folder.read_all(path, channels, f"See {option}."), "none")
    if path.suffix not in (".npz", ".npy") or not path.is_file():
        reason = "no such file or folder" if not path.exists() else "another kind of file"
        raise InputError(
            f"{option} must be a folder of PNG or JPEG files, an .npz or an .npy",
            f"{path}, {reason}",
            f"See {option}",
        )
    with _refusing(path, option):
        return _quantised(_with_channels(_load(path)))


@contextmanager
def _refusing(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        is_pickle = "pickle" in str(error) or "Python objects" in str(error)
        reason = (
            "pickled objects, or another format"
            if is_pickle
            else " ".join(str(error).split()) or "a damaged file"
        )
        raise InputError(
            f"{path} must hold {ARRAYS}",
            str(reason),
            f"See {option}",
        ) from None


def _load(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        name = (
            "images"
            if "images" in arrays.files
            else arrays.files[0]
            if len(arrays.files) == 1
            else None
        )
        if name is None:
            raise ValueError(
                f"the arrays {', '.join(arrays.files)}" if arrays.files else "no arrays"
            )
        return arrays[name]


def _with_channels(images: np.ndarray) -> np.ndarray:
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(f"the shape {images.shape}")
    return images


def _quantised(images: np.ndarray) -> Pictures:
    if images.dtype == np.uint8:
        return Pictures(images, "none")
    if images.dtype.kind != "f":
        raise ValueError(f"the type {images.dtype}")
    rounded = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), CHUNK_IMAGES):
        chunk = np.asarray(images[start : start + CHUNK_IMAGES])
        if np.isnan(chunk).any():
            raise ValueError("values that are not a number (NaN)")
        if chunk.min() < 0 or chunk.max() > 1:
            raise ValueError(f"values from {chunk.min():g} to {chunk.max():g}")
        rounded[start : start + CHUNK_IMAGES] = to_uint8(chunk)
    return Pictures(rounded, "float rounded to uint8")
