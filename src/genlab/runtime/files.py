"""Writing so that a file or folder under its final name is always whole."""

import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 4096
"""The most that a file takes beyond its own bytes."""
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,  # zipfile's, for a method that it cannot unpack
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading an .npz raises if any byte of it has changed."""


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yields a free path beside `out`; what the block builds there replaces `out` if it succeeds.

    If it fails, `out` is as it was and nothing is left beside it. A file is replaced in one step, a
    folder in two: a kill in between leaves no `out`, never half of one.
    """
    building, former = (out.with_name(f".{out.name}.{word}") for word in ("building", "former"))
    out.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (building, former):
        remove(leftover)
    try:
        with naming(out):
            yield building
            if out.is_dir() or (building.is_dir() and os.path.lexists(out)):
                out.rename(former)
            building.replace(out)
    finally:
        for leftover in (building, former):
            remove(leftover)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the path to an OSError without one: an error of writing to an open file has none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def sync(path: Path) -> None:
    """Writes a file, or a folder with its contents, through to the disk: a power cut keeps it."""
    for entry in (*path.rglob("*"), path):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_room(folder: Path, sizes: Iterable[int]) -> None:
    """Raises an OSError if the disk of `folder` has no room for files of these sizes, in bytes.

    For libraries that raise none themselves: HDF5 crashes on a full disk.
    """
    path = folder / ".room"
    try:
        with naming(folder):
            path.write_bytes(bytes(sum(size + BLOCK for size in sizes)))
    finally:
        path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file, or a folder with its contents, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
