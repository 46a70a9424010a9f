"""Every file below a folder, or in a zip or a tar.

Hidden files and those of file managers are ignored. Links are followed. Of an archive nothing is
written to the disk.
"""

import functools
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from genlab.imaging.decoding import KINDS, Source
from genlab.runtime.errors import InputError
from genlab.runtime.files import DAMAGED

IGNORED = (
    "__macosx",
    "thumbs.db",
    "desktop.ini",
    "@eadir",  # a Synology's previews of the pictures
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
)
ARRAYS = (".npz", ".npy")
ZIP_MAGIC = b"PK\x03\x04"
OTHERS = "neither files nor folders"

Parts = tuple[str, ...]
"""A path below the folder or the archive, part by part."""
Content = Callable[[], Source]


class Entry(NamedTuple):
    """A file or, without `open`, a folder; with a reason what is left out."""

    parts: Parts
    open: Content | None = None
    reason: str = ""


def is_archive(path: Path) -> bool:
    """Returns whether a path is a zip or a tar; an .npz, which is a zip of arrays, is not."""
    if not path.is_file() or path.suffix.lower() in ARRAYS:
        return False
    try:
        return _is_zip(path) or tarfile.is_tarfile(path)
    except DAMAGED:  # a packed tar that is cut
        return True


def _is_zip(path: Path) -> bool:
    """Returns whether a file is a zip, or begins as one: the list of members is at its end."""
    with path.open("rb") as file:
        return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC or zipfile.is_zipfile(file)


@contextmanager
def opened(root: Path, where: str) -> Iterator[Iterable[Entry]]:
    """Yields the files and folders of a folder or an archive, which is open within the block.

    Raises:
        InputError: It is neither, has a dead link or a folder that is not readable, or the archive
            is damaged or has members outside of it.
    """
    if root.is_dir():
        yield _walk(root, (), frozenset({root.resolve()}), where)
        return
    if not is_archive(root):
        reason = "another kind of file" if root.exists() else "no such file or folder"
        if root.is_file() and not root.stat().st_size:
            reason = "an empty file"
        expected = f"{root} must be a folder, a zip or a tar of pictures ({KINDS})"
        raise InputError(expected, reason, where)
    with ExitStack() as stack:
        with _refusing(str(root), "a whole zip or tar"):
            entries = list((_zip if _is_zip(root) else _tar)(root, stack, where))
        yield [entry for entry in entries if not any(map(is_ignored, entry.parts))]


def is_ignored(part: str) -> bool:
    """Returns whether a file or folder of this name is passed over without a word."""
    return part.startswith(".") or part.lower() in IGNORED


# Folders


def _walk(folder: Path, parts: Parts, above: frozenset[Path], where: str) -> Iterator[Entry]:
    """Yields what is below a folder; `above` are the real paths of the folders that lead here."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise unreadable(error, where) from None
    for entry in entries:
        path, place = folder / entry.name, (*parts, entry.name)
        if is_ignored(entry.name):
            continue
        try:
            mode = entry.stat().st_mode
        except OSError:
            raise dead(path) from None
        if stat.S_ISREG(mode):
            yield Entry(place, functools.partial(Path, path))
        elif not stat.S_ISDIR(mode):
            yield Entry(place, reason=OTHERS)
        elif (real := path.resolve()) in above:
            yield Entry(place, reason="links to a folder above")
        else:
            yield Entry(place)
            yield from _walk(path, place, above | {real}, where)


def dead(path: Path) -> InputError:
    """Returns the error of a dead link."""
    received = f"a link to {path.readlink()}" if path.is_symlink() else "a file that has gone"
    return InputError(f"{path} must lead to a file or folder", received, "Fix or remove the link")


def unreadable(error: OSError, where: str) -> InputError:
    """Returns the error of a folder that is not readable."""
    expected = f"{error.filename} must be a readable folder"
    return InputError(expected, error.strerror or "not readable", where)


# Archives


def _zip(root: Path, stack: ExitStack, where: str) -> Iterator[Entry]:
    archive = stack.enter_context(zipfile.ZipFile(root))
    for info in archive.infolist():
        parts = _parts(info.filename.replace("\\", "/"), root, where)
        read = functools.partial(archive.read, info)
        yield Entry(parts, None if info.is_dir() else _content(root, parts, read))


def _tar(root: Path, stack: ExitStack, where: str) -> Iterator[Entry]:
    """Yields the members; those of a packed tar, in which one cannot jump, are read at once."""
    archive = stack.enter_context(tarfile.TarFile.open(root))
    is_packed = not isinstance(archive.fileobj, io.BufferedReader)
    for member in archive:
        parts = _parts(member.name, root, where)
        if member.isdir():
            yield Entry(parts)
        elif not member.isfile() and not member.islnk():
            yield Entry(parts, reason=OTHERS)
        elif not any(map(is_ignored, parts)):
            read = functools.partial(_extracted, archive, member)
            read = functools.partial(bytes, read()) if is_packed else read
            yield Entry(parts, _content(root, parts, read))
    if archive.fileobj is not None:  # a damaged header ends the members without an error
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("members without an end")


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise ValueError("a link to a folder")
    with file:
        return file.read()


def _content(root: Path, parts: Parts, read: Callable[[], bytes]) -> Content:
    def content() -> io.BytesIO:
        with _refusing(str(root.joinpath(*parts)), "a whole member of an archive"):
            return io.BytesIO(read())

    return content


def _parts(name: str, root: Path, where: str) -> Parts:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise InputError(f"{root} must have members inside of it", repr(name), where)
    return parts


@contextmanager
def _refusing(name: str, what: str) -> Iterator[None]:
    """Turns what a damaged archive raises into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (*DAMAGED, tarfile.TarError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} must be {what}", reason, "Fix or replace it") from None
