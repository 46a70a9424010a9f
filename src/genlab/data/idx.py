"""The IDX format of MNIST and its relatives: a header of big-endian sizes, then unsigned bytes.

See http://yann.lecun.com/exdb/mnist/: two zero bytes, the type (8 is unsigned byte), the number of
dimensions, the size of each dimension as a 32-bit integer, and the values in C order.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genlab.contract.fields import Arrays
from genlab.runtime.downloads import RemoteFile
from genlab.runtime.errors import InputError

UNSIGNED_BYTE = 8
FIX = "Delete the file and run again: dvc repro fetch"
NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
"""The same for MNIST and its relatives."""


def remote_files(
    checksums: Sequence[str], mirrors: Sequence[str], contents: Sequence[str] = ("",) * len(NAMES)
) -> tuple[RemoteFile, ...]:
    """Returns the four files of a data set.

    Args:
        checksums: SHA-256 of each file in the order of `NAMES`.
        mirrors: Addresses of folders, each with a slash at its end.
        contents: SHA-256 of what each archive holds, where they are known.
    """
    return tuple(
        RemoteFile(
            name,
            tuple(mirror + name for mirror in mirrors),
            f"sha256:{checksum}",
            content and f"sha256:{content}",
        )
        for name, checksum, content in zip(NAMES, checksums, contents, strict=True)
    )


def read_splits(directory: Path) -> tuple[Arrays, Arrays]:
    """Returns images and labels of the official splits, train and test.

    Raises:
        InputError: A file is broken, or there are not as many labels as images.
    """
    return _read_split(directory, *NAMES[:2]), _read_split(directory, *NAMES[2:])


def _read_split(directory: Path, images_name: str, labels_name: str) -> Arrays:
    images = read(directory / images_name, num_dimensions=3)
    labels = read(directory / labels_name, num_dimensions=1)
    if len(images) != len(labels):
        raise InputError(
            f"{directory / labels_name} must have one label per image",
            f"{len(images)} images, {len(labels)} labels",
            FIX,
        )
    return {"images": images[..., np.newaxis], "labels": labels}


def read(path: Path, num_dimensions: int) -> np.ndarray:
    """Reads a gzip-compressed IDX file of unsigned bytes.

    Args:
        path: The file.
        num_dimensions: That the file must have: 3 for images, 1 for labels.

    Returns:
        Read-only uint8 values, shaped as the header says.

    Raises:
        InputError: The archive is broken, or the header does not describe the values after it.
    """
    content = _decompress(path)
    head = 4 + 4 * num_dimensions
    if len(content) < head or content[:4] != bytes((0, 0, UNSIGNED_BYTE, num_dimensions)):
        raise InputError(
            f"{path} must begin with the IDX header of {num_dimensions}-dimensional unsigned bytes",
            content[:4].hex(" ") or "an empty file",
            FIX,
        )
    shape = struct.unpack(f">{num_dimensions}I", content[4:head])
    if math.prod(shape) != len(content) - head:
        sizes = " x ".join(map(str, shape))
        raise InputError(
            f"{path} must hold {sizes} = {math.prod(shape)} bytes after its header",
            str(len(content) - head),
            FIX,
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _decompress(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} must be a whole gzip archive", str(error), FIX) from None
