"""Pictures of any project: a folder of PNG and JPEG files, an .npz or an .npy, as uint8 NHWC."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from genlab.data import members
from genlab.datasets import image_folder
from genlab.imaging.arrays import to_uint8
from genlab.runtime.errors import InputError
from genlab.runtime.files import DAMAGED

CHUNK_IMAGES = 1000
ARRAYS = (
    "an array `images` (or one array alone), uint8 or float in [0, 1], of the shape "
    "(n, height, width[, 1 or 3])"
)


class PictureSet(NamedTuple):
    """uint8 (n, height, width, channels), and what was done to the values."""

    images: np.ndarray
    quantisation: str


def read(path: Path, channels: int | None, option: str) -> PictureSet:
    """Returns the pictures in `path`.

    Args:
        path: A folder, a zip, a tar, or an .npz or .npy, whose floats are rounded to uint8.
        channels: That the pictures of a folder get, 1 or 3; None: grey where all are grey.
        option: That gave the path, for errors: `--real`.

    Raises:
        InputError: There are no pictures, or they cannot be read.
    """
    if path.is_dir() or members.is_archive(path):
        return PictureSet(image_folder.read_all(path, channels, f"See {option}"), "none")
    if path.suffix not in (".npz", ".npy") or not path.is_file():
        reason = "another kind of file" if path.exists() else "no such file or folder"
        raise InputError(
            f"{option} must be a folder, a zip or a tar of pictures, an .npz or an .npy",
            f"{path}, {reason}",
            f"See {option}",
        )
    try:
        return _quantised(_with_channels(_load(path)))
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or "a damaged file"
        if "pickle" in reason or "Python objects" in reason:
            reason = "pickled objects, or another format"
        raise InputError(f"{path} must hold {ARRAYS}", reason, f"See {option}") from None


def _load(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        names = arrays.files
        if "images" not in names and len(names) != 1:
            raise ValueError(f"the arrays {', '.join(names)}" if names else "no arrays")
        return arrays["images" if "images" in names else names[0]]


def _with_channels(images: np.ndarray) -> np.ndarray:
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(f"the shape {images.shape}")
    return images


def _quantised(images: np.ndarray) -> PictureSet:
    if images.dtype == np.uint8:
        return PictureSet(images, "none")
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
    return PictureSet(rounded, "float rounded to uint8")
