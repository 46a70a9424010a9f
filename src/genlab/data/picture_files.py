"""Which pictures a folder, a zip or a tar holds: the one list for every road into the project.

A file that is no picture is left out, and the list says so.
"""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from genlab.data import members
from genlab.data.members import Content, Entry, Parts
from genlab.imaging import decoding
from genlab.runtime import workspace
from genlab.runtime.errors import InputError

TABLES = ("metadata.csv", "metadata.jsonl")
NUM_EXAMPLES = 3  # of the names of what is left out
WHERE = "See params.yaml: data.directory"


class PictureFile(NamedTuple):
    """A file: its place, its name for errors, and a function that gives its content."""

    parts: Parts
    name: str
    open: Content


class Files(NamedTuple):
    """What a folder or an archive holds.

    Attributes:
        root: The folder or the archive.
        pictures: Sorted by their parts.
        tables: `metadata.csv` and `metadata.jsonl`, sorted.
        folders: All folders, also those without pictures.
        left_out: By reason the places of the files that are no pictures.
    """

    root: Path
    pictures: tuple[PictureFile, ...]
    tables: tuple[PictureFile, ...]
    folders: frozenset[Parts]
    left_out: dict[str, list[Parts]]


@contextmanager
def opened(root: Path, where: str) -> Iterator[Files]:
    """Yields what a folder or an archive holds; an archive is open within the block.

    Args:
        root: A folder, a zip or a tar.
        where: What named it, for errors: `"See --real"`.

    Raises:
        InputError: It is neither, has no pictures, a dead link, or a folder that is not readable,
            or the archive is damaged or has members outside of it.
    """
    with members.opened(root, where) as entries:
        yield _collect(root, entries, where)


def _collect(root: Path, entries: Iterable[Entry], where: str) -> Files:
    files: dict[Parts, PictureFile] = {}
    folders: set[Parts] = set()
    left_out: dict[str, list[Parts]] = {}
    for entry in entries:
        folders.update(entry.parts[:end] for end in range(1, len(entry.parts)))
        if entry.reason:
            left_out.setdefault(entry.reason, []).append(entry.parts)
        elif entry.open is None:
            folders.add(entry.parts)
        else:
            name = str(root.joinpath(*entry.parts))
            files[entry.parts] = PictureFile(entry.parts, name, entry.open)
    pictures, tables = [], []
    for parts in sorted(files):
        if _is_picture(parts):
            pictures.append(files[parts])
        elif parts[-1].lower() in TABLES:
            tables.append(files[parts])
        else:
            reason = PurePosixPath(parts[-1]).suffix.lower() or "without an ending"
            left_out.setdefault(reason, []).append(parts)
    if not pictures:
        received = f"none; {words(left_out)}" if left_out else "none"
        raise InputError(f"{root} must hold pictures ({decoding.KINDS})", received, where)
    return Files(root, tuple(pictures), tuple(tables), frozenset(folders - {()}), left_out)


def words(left_out: Mapping[str, list[Parts]]) -> str:
    """Returns in one line what is left out: numbers, reasons and the first names; "" if nothing."""
    if not left_out:
        return ""
    reasons = (
        f"{len(places)} {reason} ({first_of(map('/'.join, sorted(places)))})"
        for reason, places in sorted(left_out.items())
    )
    return f"left out: {', '.join(reasons)}"


def first_of(names: Iterable[str], number: int = NUM_EXAMPLES) -> str:
    """Returns the first of some names, with commas, and `...` if there are more."""
    names = [name if name.isprintable() else repr(name) for name in names]
    return ", ".join([*names[:number], *["..."] * (len(names) > number)])


def _is_picture(parts: Parts) -> bool:
    return PurePosixPath(parts[-1]).suffix.lower() in _endings()


@functools.cache
def _endings() -> frozenset[str]:
    from PIL import Image

    kinds = Image.registered_extensions()
    endings = (ending for ending, kind in kinds.items() if kind in decoding.FORMATS)
    return frozenset([*endings, *decoding.DICOM_ENDINGS])


def located(directory: str) -> Path:
    """Returns the path that `data.directory` names; the repository's, in experiments too.

    Raises:
        InputError: It holds the project, and so the pictures that genlab writes.
    """
    root = workspace.root()
    path = root / Path(directory).expanduser()
    if path.resolve() in (root.resolve(), *root.resolve().parents):
        expected = "data.directory must be a folder of pictures alone"
        raise InputError(expected, f"{directory!r}, which holds the project", WHERE)
    return path


def check(directory: str) -> None:
    """Finds in `data.directory` what DVC cannot hash, hidden files too.

    Raises:
        InputError: There is a dead link, a folder that is not readable, or a name that is not
            UTF-8.
    """
    for path in _watched(located(directory)):
        if not path.exists():
            raise members.dead(path)
        if any("\ud800" <= letter <= "\udfff" for letter in path.name):
            expected = f"names of files in {directory} must be UTF-8, as DVC stores them"
            raise InputError(expected, path.name, f"Rename it, for example with convmv. {WHERE}")


def check_links(directory: str) -> None:
    """Finds folders in `data.directory` that DVC does not watch.

    Raises:
        InputError: A folder is a link: changes behind it would make no stage stale.
    """
    for path in _watched(located(directory)):
        if path.is_symlink() and path.is_dir() and not members.is_ignored(path.name):
            target = path.resolve()
            raise InputError(
                f"{path} must be a folder, since DVC does not look behind links to folders",
                f"a link to {path.readlink()}",
                f"Copy the folder, or link its files: rm '{path}' && cp -rs '{target}' '{path}'",
            )


def _watched(folder: Path) -> Iterator[Path]:
    """Yields the files and folders that DVC sees below a folder."""

    def refuse(error: OSError) -> None:
        raise members.unreadable(error, WHERE)

    for place, folders, names in os.walk(folder, onerror=refuse) if folder.is_dir() else ():
        yield from (Path(place, name) for name in (*folders, *names))
