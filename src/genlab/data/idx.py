"""The IDX format of MNIST and its relatives: a header of big-endian sizes, then unsigned bytes.

See http://yann.lecun.com/exdb/mnist/: two zero bytes, the type (8 is unsigned byte), the number of dimensions, the
size of each dimension as a 32-bit integer, the values with the last dimension changing fastest.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from genlab.imaging.arrays import Split
from genlab.runtime.errors import InputError

UNSIGNED_BYTE = 8
REMEDY = "Delete the file and run again: dvc repro fetch"


def read(path: Path, num_dimensions: int) -> np.ndarray:
    """Reads a gzip-compressed IDX file of unsigned bytes.

    Args:
        path: The file.
        num_dimensions: That the file must have: 3 for images, 1 for labels.

    Returns:
        Read-only uint8 values, shaped as the header says.

    Raises:
        InputError: The archive is broken, or the header does not describe the values that follow it.
    """
    content = _decompress(path)
    head = 4 + 4 * num_dimensions
    if len(content) < head or content[:4] != bytes((0, 0, UNSIGNED_BYTE, num_dimensions)):
        raise InputError(
            f"{path} must begin with the IDX header of {num_dimensions}-dimensional unsigned bytes",
            content[:4].hex(" ") or "an empty file",
            REMEDY,
        )
    shape = struct.unpack(f">{num_dimensions}I", content[4:head])
    if math.prod(shape) != len(content) - head:
        raise InputError(
            f"{path} must hold {' x '.join(map(str, shape))} = {math.prod(shape)} bytes after its header",
            str(len(content) - head),
            REMEDY,
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _decompress(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} must be a whole gzip archive", str(error), REMEDY) from None


def read_split(directory: Path, prefix: str) -> Split:
    """Reads one split: `<prefix>-images-idx3-ubyte.gz` and `<prefix>-labels-idx1-ubyte.gz`.

    Raises:
        InputError: A file is broken, or there are not as many labels as images.
    """
    images = read(directory / f"{prefix}-images-idx3-ubyte.gz", num_dimensions=3)
    labels = read(directory / f"{prefix}-labels-idx1-ubyte.gz", num_dimensions=1)
    if len(images) != len(labels):
        raise InputError(
            f"{directory}: {prefix} must have one label per image",
            f"{len(images)} images, {len(labels)} labels",
            REMEDY,
        )
    return Split(images[..., np.newaxis], labels.astype(np.int64))


def read_splits(directory: Path) -> dict[str, Split]:
    """Reads the official splits of MNIST and its relatives, which all use the same file names."""
    return {"train": read_split(directory, "train"), "test": read_split(directory, "t10k")}
