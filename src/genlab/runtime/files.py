"""Writing so that a file or folder under its final name is whole, and the user's own stays."""

import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from genlab.runtime.errors import InputError

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


BY_THE_SYSTEM = (".DS_Store", "Thumbs.db")
"""What file managers leave in a folder that they show."""


class FolderKind(NamedTuple):
    """A kind of folder that genlab writes, and replaces where it finds one.

    Attributes:
        name: In words: `a data set`.
        files: Patterns of all its files. Each folder of the kind has a file of the first pattern.
        mark: What each of its files contains.
    """

    name: str
    files: tuple[str, ...]
    mark: bytes = b""

    def stranger(self, folder: Path) -> str | None:
        """Returns what such a folder does not have, or lacks; None if there is no such thing."""
        if next(folder.glob(self.files[0]), None) is None:
            return f"a folder without {self.files[0]}"
        known = {path for pattern in self.files for path in folder.glob(pattern)}
        for path in folder.rglob("*"):
            is_file = path.is_symlink() or not path.is_dir()
            if is_file and path.name not in BY_THE_SYSTEM and not self._owns(path, known):
                return f"a folder with {path.relative_to(folder)}"
        return None

    def _owns(self, path: Path, known: set[Path]) -> bool:
        return path in known and (not self.mark or self.mark in path.read_bytes())


@contextmanager
def replacing(out: Path, kind: FolderKind | None = None) -> Iterator[Path]:
    """Yields a free path beside `out`; what the block builds there replaces `out` if it succeeds.

    If it fails, `out` is as it was and nothing is left beside it. A file is replaced in one step, a
    folder in two: a kill in between leaves no `out`, never half of one.

    Args:
        out: The file or folder.
        kind: Of a folder that may be replaced. Without it files and empty folders are replaced.

    Raises:
        InputError: `check_free` refuses `out`, before the block or after it.
    """
    check_free(out, kind)
    path = out.absolute()  # `.` has no name
    building, former = (path.with_name(f".{path.name}.{word}") for word in ("building", "former"))
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (building, former):
        remove(leftover)
    try:
        with naming(out):
            yield building
            check_free(out, kind)
            if path.is_dir():
                path.rename(former)
            building.replace(path)
    finally:
        for leftover in (building, former):
            remove(leftover)


def check_free(out: Path, kind: FolderKind | None = None) -> None:
    """Raises an InputError if writing `out` is not possible, or would remove what is not genlab's.

    Args:
        out: A file, or a folder of this kind.
        kind: As for `replacing`.
    """
    if received := _obstacle(out, kind):
        what = f"new, empty or {kind.name} that genlab wrote" if kind else "a file, or new"
        where = "Choose another place; nothing was removed"
        raise InputError(f"{out} must be {what}", received, where)
    parents = out.absolute().parents
    parent = next(path for path in parents if os.path.lexists(path))
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        expected = f"{out} must be in a folder that can be written to"
        raise InputError(expected, str(parent), "Choose another place, or see its permissions")


def _obstacle(out: Path, kind: FolderKind | None) -> str | None:
    """Returns in words what is at `out` and must stay; None if nothing is."""
    if kind and out.is_symlink():
        return "a symbolic link"
    if kind and out.is_file():
        return "a file"
    if out.exists() and not (out.is_file() or out.is_dir()):
        return "neither a file nor a folder"  # a device: it would become a file
    if not out.is_dir() or next(out.iterdir(), None) is None:
        return None
    return kind.stranger(out) if kind else "a folder that is not empty"


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
