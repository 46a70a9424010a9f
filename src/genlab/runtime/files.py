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
"""What a file takes beyond its own bytes, at most."""
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading an .npz raises of which any byte has changed; `zipfile` says by a RuntimeError what it cannot unpack."""


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yields a free path beside `out`; what the block built there takes the place of `out` when the block ends well.

    When it does not, nothing is left there, and `out` is as it was. A file takes the other's place in one step; a
    folder in two: a kill between them leaves no `out`, never half of one.
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
    """Puts the path into an OSError that has none: writing into an open file names no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def sync(path: Path) -> None:
    """Returns when a file, or a folder with all that is in it, is on the disk and survives a loss of power."""
    for each in (*path.rglob("*"), path):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_room(folder: Path, sizes: Iterable[int]) -> None:
    """Raises an OSError where the disk of `folder` has no room for files of these sizes, in bytes.

    For what would not end in one: HDF5 crashes on a full disk.
    """
    path = folder / ".room"
    try:
        with naming(folder):
            path.write_bytes(bytes(sum(size + BLOCK for size in sizes)))
    finally:
        path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
