"""Trees of pictures: as a folder, a zip, a tar, a packed tar."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 4


def picture(number: int) -> bytes:
    """Returns a PNG of one grey value."""
    content = io.BytesIO()
    Image.fromarray(np.full((SIZE, SIZE), number % 256, np.uint8)).save(content, "PNG")
    return content.getvalue()


def tree(names: Iterable[str]) -> dict[str, bytes]:
    """Returns content by name: a picture, or nothing for a name that ends in / or is no picture."""
    return {name: picture(n) if name.endswith("g") else b"" for n, name in enumerate(names)}


def write_folder(files: Mapping[str, bytes], root: Path) -> Path:
    root.mkdir()
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def write_zip(files: Mapping[str, bytes], root: Path) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(files: Mapping[str, bytes], root: Path, mode: str = "w") -> Path:
    path = root.with_suffix(".tar")
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo("./" + name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_packed_tar(files: Mapping[str, bytes], root: Path) -> Path:
    return write_tar(files, root, "w:gz")


WRITERS: tuple[Callable[[Mapping[str, bytes], Path], Path], ...] = (
    write_folder,
    write_zip,
    write_tar,
    write_packed_tar,
)
