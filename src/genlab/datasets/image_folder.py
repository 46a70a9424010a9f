"""Image folder: the user's own PNG and JPEG files, optionally in one subfolder per class.

Every picture is turned upright (EXIF), laid on white where it is transparent, and made grey or colour with 8 bits;
where `params.yaml: data.image_size` is set, it is scaled to fill that size, and what stands over is cut off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genlab.data.declaration import Profile, RemoteFile
from genlab.data.splitting import chosen
from genlab.imaging.arrays import Split
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings import params

if TYPE_CHECKING:
    from PIL import Image

FILES: tuple[RemoteFile, ...] = ()
LICENCE = "the user's own"
CITATION = "the user's own images"
IMAGE_SHAPE = None  # data.image_size (or the pictures' own size) and data.channels
CLASS_NAMES = None  # read_class_names
PROFILE = Profile()

ENDINGS = (".png", ".jpg", ".jpeg")
ORIENTATION = 0x0112  # the EXIF tag
WHERE = "See params.yaml: data.directory"
OR_SET, WHERE_SIZE = ", or data.image_size must be set", "See params.yaml: data.image_size."


def read_class_names(data: params.Data) -> tuple[str, ...]:
    """Returns the names of the subfolders that hold pictures, sorted; empty where the pictures lie in no subfolder.

    Raises:
        InputError: The folder is missing or empty, or has pictures both in subfolders and beside them.
    """
    return tuple(
        sorted(
            {path.relative_to(_folder(data)).parts[0] for path, label in _list(data) if label >= 0}
        )
    )


def read(directory: Path, data: params.Data, seed: int) -> dict[str, Split]:
    """Reads the pictures; the test split is chosen by a seeded hash of each image, so equal images lie on one side.

    Args:
        directory: Not used: the user's folder is `data.directory`.
        data: The folder, the size, the channels and the share of the test split.
        seed: Chooses the test split.

    Raises:
        InputError: The folder is missing or empty, a picture is not readable, or sizes differ and none is set.
    """
    files = _list(data)
    height, width = data.image_size or _common_size([path for path, _ in files], OR_SET, WHERE_SIZE)
    images = np.empty((len(files), height, width, data.channels), np.uint8)
    labels = np.empty(len(files), np.int64)
    start, stop = (
        0,
        len(files),
    )  # train fills the arrays from the front, test from the back: one copy in memory
    for path, label in files:
        image = _read_image(path, (height, width), data.channels)
        if chosen(image, data.test_share, seed):
            stop -= 1
            row = stop
        else:
            row = start
            start += 1
        images[row], labels[row] = image, label
    return {
        "train": Split(images[:start], labels[:start]),
        "test": Split(images[stop:][::-1], labels[stop:][::-1]),
    }


def read_all(folder: Path, channels: int | None, where: str) -> np.ndarray:
    """Returns all pictures of any folder and its subfolders in the order of their paths, uint8 NHWC.

    Args:
        folder: Pictures of one size.
        channels: 1 (grey), 3 (colour), or None: grey where every picture is.
        where: What set the folder, for errors: `"See --real."`.

    Raises:
        InputError: There are no pictures, one is not readable, or sizes differ.
    """
    paths = _sorted(folder, where)
    height, width = _common_size(paths, "", where)
    channels = channels or (1 if all(map(_is_grey, paths)) else 3)
    images = np.empty((len(paths), height, width, channels), np.uint8)
    for row, path in enumerate(paths):
        images[row] = _read_image(path, (height, width), channels)
    return images


def _folder(data: params.Data) -> Path:
    """Returns the user's folder; a relative one lies in the repository, also for temporary and queued experiments."""
    return workspace.root() / Path(data.directory).expanduser()


def _list(data: params.Data) -> list[tuple[Path, int]]:
    """Returns the pictures, sorted by path, and their labels: -1 where there are no subfolders."""
    folder = _folder(data)
    paths = _sorted(folder, WHERE)
    alone = [path for path in paths if path.parent == folder]
    if len(alone) == len(paths):
        return [(path, -1) for path in paths]
    if alone:
        raise InputError(
            f"{folder} must hold all pictures in subfolders, one per class, or none",
            f"{alone[0].name} and {len(alone) - 1} more beside the subfolders",
            WHERE,
        )
    names = sorted({path.relative_to(folder).parts[0] for path in paths})
    return [(path, names.index(path.relative_to(folder).parts[0])) for path in paths]


def _sorted(folder: Path, where: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder of PNG or JPEG files", "no such folder", where)
    paths = sorted(_pictures(folder), key=lambda path: path.relative_to(folder).parts)
    if not paths:
        raise InputError(f"{folder} must hold PNG or JPEG files", "none", where)
    return paths


def _pictures(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in ENDINGS and not hidden and path.is_file():
            yield path


def _common_size(paths: list[Path], unless: str, where: str) -> tuple[int, int]:
    first = _read_size(paths[0])
    for path in paths[1:]:
        if (size := _read_size(path)) != first:
            raise InputError(
                f"pictures must have one size (height x width){unless}",
                f"{paths[0]} is {first[0]}x{first[1]}, {path} is {size[0]}x{size[1]}",
                where,
            )
    return first


def _read_size(path: Path) -> tuple[int, int]:
    with _opened(path) as picture:
        turned = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def _is_grey(path: Path) -> bool:
    with _opened(path) as picture:
        return picture.mode in ("1", "L", "LA") or picture.mode.startswith(("I", "F"))


def _read_image(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """Returns one picture as uint8 (height, width, channels)."""
    from PIL import Image, ImageOps

    with _opened(path) as opened:
        picture = _on_white(_to_8_bits(ImageOps.exif_transpose(opened))).convert(
            "L" if channels == 1 else "RGB"
        )
    height, width = size
    if (picture.height, picture.width) != (height, width):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(height, width, channels)


@contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    """Opens a picture; whatever is wrong with the file, also while it is decoded, is the user's to mend."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else error
        raise InputError(
            f"{path} must be a readable PNG or JPEG file", str(reason), "Fix or remove it"
        ) from None


def _to_8_bits(picture: "Image.Image") -> "Image.Image":
    """Returns grey values of 16 bits as 8 bits; Pillow's own conversion would cut everything above 255."""
    from PIL import Image

    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture, np.float64)
    return Image.fromarray(np.rint(np.clip(values, 0, 65535) / 257).astype(np.uint8))


def _on_white(picture: "Image.Image") -> "Image.Image":
    """Returns a picture without transparency, laid on white."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    colour = picture.convert("RGBA")
    white = Image.new("RGBA", colour.size, "white")
    return Image.alpha_composite(white, colour)
