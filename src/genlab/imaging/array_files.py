"""Images in an .npz or .npy of any program, as uint8 NHWC: which array, axes, values."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from genlab.imaging.arrays import SLACK, to_uint8
from genlab.runtime.files import DAMAGED

ENDINGS = (".npz", ".npy")
ALONE = ""
"""The name of the array of an .npy."""
CHUNK_VALUES = 1 << 22
CHANNELS = (1, 3)
STATISTICS = {"mu", "sigma"}
BYTES = 2.0
"""Grey values from 0 to 255 have a larger one than this; less is a range that is overstepped."""
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""What values of images usually lie in: shares of white, the output of tanh, grey values."""


class Form(NamedTuple):
    """What a file does not say itself, and its user does.

    Attributes:
        key: The name of the array in an .npz that has it; None: `images`, or the only one.
        layout: `nchw`: channels are the second axis, where that has 1 or 3 values; or `nhwc`.
        value_range: The values of black and white; None: 0 and 1 for floats. They do not count for
            uint8, but that the range 0 to 1 stretches arrays of 0 and 1 alone.
    """

    key: str | None = None
    layout: Literal["nhwc", "nchw"] = "nhwc"
    value_range: tuple[float, float] | None = None


AS_USUAL = Form()


class ArrayImages(NamedTuple):
    """Images, uint8 (n, height, width, channels), what was done to the values, what is doubtful."""

    images: np.ndarray
    quantisation: str
    doubts: tuple[str, ...] = ()


class UnreadableError(ValueError):
    """What is wrong with a file of arrays.

    Attributes:
        option: Of `genlab score`, with which it would be read; or empty.
    """

    def __init__(self, reason: str, option: str = ""):
        super().__init__(reason)
        self.option = option


def read(path: Path, form: Form) -> ArrayImages:
    """Returns the images of an .npz or .npy.

    Raises:
        UnreadableError: It is damaged, or holds no images of this form.
    """
    with opened(path) as arrays:
        name = _key(arrays, form.key)
        images = to_images(arrays[name], form)
    if form.key in (None, name) or name == ALONE:
        return images
    doubt = f"there is no array {form.key!r}, so {name!r} was read"
    return images._replace(doubts=(*images.doubts, doubt))


@contextmanager
def opened(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Yields the arrays of an .npz by name, or the only one of an .npy, which stays on the disk.

    What counts is the content, not the name. Damage met in the block is an UnreadableError.
    """
    try:
        with path.open("rb") as file:
            is_array = file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX
            file.seek(0)
            if is_array:
                yield {ALONE: np.load(path, mmap_mode="r", allow_pickle=False)}
                return
            with np.load(file, allow_pickle=False) as arrays:
                yield arrays
    except UnreadableError:
        raise
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or "a damaged file"
        pickled = "pickle" in reason or "Python objects" in reason
        raise UnreadableError("pickled objects, or another format" if pickled else reason) from None


def _key(arrays: Mapping[str, np.ndarray], key: str | None) -> str:
    for name in (key, "images"):
        if name is not None and name in arrays:
            return name
    if set(arrays) >= STATISTICS:
        raise UnreadableError(
            "statistics (mu, sigma) of features of their own, which are no pictures"
        )
    if len(arrays) != 1:
        listed = f"the arrays {', '.join(arrays)}" if arrays else "no arrays"
        likely = [f"--key={name}" for name in arrays if arrays[name].ndim in (3, 4)]
        raise UnreadableError(listed, likely[0] if likely else "")
    return next(iter(arrays))


def to_images(array: np.ndarray, form: Form) -> ArrayImages:
    """Returns an array as images.

    Raises:
        UnreadableError: It has another shape, type or range.
    """
    images = _channels_last(array, form.layout)
    if images.dtype == np.uint8 and not _is_black_and_white(images, form.value_range):
        return ArrayImages(images, "none")
    if images.dtype.kind not in "f" and form.value_range is None:
        raise UnreadableError(f"the type {images.dtype}", _guess(images))
    if images.dtype.kind not in "fiub":
        raise UnreadableError(f"the type {images.dtype}")
    return _scaled(images, form.value_range or RANGES[0])


def _channels_last(images: np.ndarray, layout: str) -> np.ndarray:
    if images.ndim == 3 and images.shape[-1] in CHANNELS:
        raise UnreadableError(f"the shape {images.shape}, which is that of one picture")
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or not images.size:
        raise UnreadableError(f"the shape {images.shape}")
    if layout == "nchw" and images.shape[1] in CHANNELS:
        return images.transpose(0, 2, 3, 1)
    if images.shape[-1] not in CHANNELS:
        is_second = images.shape[1] in CHANNELS
        raise UnreadableError(f"the shape {images.shape}", "--layout=nchw" if is_second else "")
    return images


def _is_black_and_white(images: np.ndarray, value_range: tuple[float, float] | None) -> bool:
    return value_range == RANGES[0] and int(images.max()) <= 1


def _scaled(images: np.ndarray, value_range: tuple[float, float]) -> ArrayImages:
    """Returns the images as uint8, from black at one end of the range to white at the other."""
    low, high = value_range
    slack = SLACK * (high - low)
    rounded = np.empty(images.shape, np.uint8)
    least, most = np.inf, -np.inf
    size = max(1, CHUNK_VALUES // images[0].size)
    for start in range(0, len(images), size):
        chunk = np.asarray(images[start : start + size], np.float64)
        if np.isnan(chunk).any():
            raise UnreadableError("values that are not a number (NaN)")
        least, most = min(least, chunk.min()), max(most, chunk.max())
        if chunk.min() < low - slack or chunk.max() > high + slack:
            ends = f"values from {float(images.min()):g} to {float(images.max()):g}"
            raise UnreadableError(ends, _guess(images))
        rounded[start : start + size] = to_uint8((chunk - low) / (high - low))
    doubts = []
    if value_range != RANGES[0] and most - least <= (high - low) / 2:
        doubts = [f"values from {least:g} to {most:g} were read as from {low:g} to {high:g}"]
    is_usual = images.dtype.kind == "f" and value_range == RANGES[0]
    done = "float rounded" if is_usual else f"{images.dtype} from {low:g} to {high:g} scaled"
    return ArrayImages(rounded, f"{done} to uint8", tuple(doubts))


def _guess(images: np.ndarray) -> str:
    """Returns the option with the usual range that these values lie in, or nothing."""
    if images.dtype.kind not in "fiub":
        return ""
    low, high = float(images.min()), float(images.max())
    for first, last in RANGES:
        if first <= low and high <= last and (last <= 1 or high > BYTES):
            return f"--range={first:g},{last:g}"
    return ""
