"""Image folder: the user's own PNG and JPEG files, optionally in one subfolder per class.

Every picture is turned upright (EXIF), laid on white if it is transparent, and made grey or colour
with 8 bits. With `params.yaml: data.image_size` it is scaled to fill that size, and cropped.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genlab.contract.fields import labelled_images
from genlab.data.declaration import Profile, RawSplits
from genlab.data.splitting import chosen
from genlab.imaging import decoding
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings.params import Data

FILES = None  # they are the user's
LICENCE = "the user's own"
CITATION = "the user's own images"
PROFILE = Profile()

ENDINGS = (".png", ".jpg", ".jpeg")
WHERE = "See params.yaml: data.directory"
WHERE_SIZE = "See params.yaml: data.image_size"


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the pictures in `data.directory`; the test split is chosen by a hash of each image.

    Raises:
        InputError: The folder is missing or empty, has pictures both in subfolders and beside them,
            has a broken picture, or has pictures of several sizes and `data.image_size` is null.
    """
    # A relative folder is in the repository, in temporary and queued experiments too.
    folder = workspace.root() / Path(data.directory).expanduser()
    paths = _sorted(folder, WHERE)
    class_names, labels = _classes(folder, paths)
    shape = (*(data.image_size or decoding.read_size(paths[0])), data.channels)
    images, order = np.empty((len(paths), *shape), np.uint8), np.empty(len(paths), int)
    start, stop = 0, len(paths)  # train fills from the front, test from the back: one copy
    for number, image in enumerate(_read(paths, data.channels, data.image_size, WHERE_SIZE)):
        if chosen(image, data.test_share, seed):
            stop -= 1
            row = stop
        else:
            row = start
            start += 1
        images[row], order[row] = image, number
    arrays = {"images": images} | ({"labels": labels[order]} if class_names else {})
    train = {name: array[:start] for name, array in arrays.items()}
    test = {name: array[stop:][::-1] for name, array in arrays.items()}
    files = [str(path.relative_to(folder)) for path in paths]
    parts = {"train": order[:start], "test": order[stop:][::-1]}
    names = {split: [files[number] for number in rows] for split, rows in parts.items()}
    return RawSplits(labelled_images(shape, class_names), train, test, names)


def read_all(folder: Path, channels: int | None, where: str) -> np.ndarray:
    """Returns the pictures of any folder and its subfolders, sorted by path, uint8 NHWC.

    Args:
        folder: Pictures of one size.
        channels: 1 (grey), 3 (colour), or None: grey if every picture is.
        where: What set the folder, for errors: `"See --real"`.

    Raises:
        InputError: There are no pictures, one is not readable, or sizes differ.
    """
    paths = _sorted(folder, where)
    channels = channels or (1 if all(map(decoding.is_grey, paths)) else 3)
    images = np.empty((len(paths), *decoding.read_size(paths[0]), channels), np.uint8)
    for row, image in enumerate(_read(paths, channels, None, where)):
        images[row] = image
    return images


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


def _classes(folder: Path, paths: list[Path]) -> tuple[list[str], np.ndarray]:
    """Returns the names of the subfolders, sorted, and of each picture the index of its own.

    Both are empty if there are no subfolders.
    """
    loose = [path for path in paths if path.parent == folder]
    if len(loose) == len(paths):
        return [], np.empty(0)
    if loose:
        raise InputError(
            f"{folder} must hold all pictures in subfolders, one per class, or none",
            f"{loose[0].name} and {len(loose) - 1} more beside the subfolders",
            WHERE,
        )
    names, labels = np.unique(
        [path.relative_to(folder).parts[0] for path in paths], return_inverse=True
    )
    return names.tolist(), labels


def _read(
    paths: list[Path], channels: int, size: tuple[int, int] | None, where: str
) -> Iterator[np.ndarray]:
    """Yields the pictures as uint8 (height, width, channels), scaled if there is a size."""
    first = decoding.read_size(paths[0])
    for path in paths:
        image = decoding.read_image(path, channels, size)
        if size is None and image.shape[:2] != first:
            unless = ", or data.image_size must be set" if where == WHERE_SIZE else ""
            raise InputError(
                f"pictures must have one size (height x width){unless}",
                f"{paths[0]} is {first[0]}x{first[1]}, {path} is {image.shape[0]}x{image.shape[1]}",
                where,
            )
        yield image
