"""Image folder: the user's own pictures, in a folder, a zip or a tar.

`data/picture_layout.py` says what subfolders and a table mean, `imaging/decoding.py` how a picture
is read. With `params.yaml: data.image_size` it is scaled to fill that size, and cropped.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from genlab.contract.fields import Arrays, Field, labelled_images
from genlab.data import picture_files, picture_layout
from genlab.data.declaration import Profile, RawSplits
from genlab.data.picture_files import WHERE, PictureFile
from genlab.data.picture_layout import Listing
from genlab.data.splitting import chosen
from genlab.imaging import decoding
from genlab.imaging.arrays import empty
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.settings.params import Data

FILES = None  # they are the user's
LICENCE = "the user's own"
CITATION = "the user's own images"
PROFILE = Profile()

WHERE_SIZE = "See params.yaml: data.image_size"


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the pictures in `data.directory`; without a test split a hash takes it from train.

    Raises:
        InputError: The folder is missing, holds no pictures, or is laid out otherwise than
            `data/picture_layout.py` says; a folder in it is a link, a picture is not readable, or
            pictures have several sizes and `data.image_size` is null.
    """
    folder = picture_files.located(data.directory)
    picture_files.check_links(data.directory)
    with picture_files.opened(folder, WHERE) as files:
        listing = picture_layout.arrange(files, data)
        progress.note(f"fetch: {len(listing.pictures)} pictures in {folder}: {listing.words}")
        first, splits = listing.pictures[0], listing.splits
        size = data.image_size or decoding.read_size(first.open(), first.name)
        shape = (*size, data.channels)
        shelves = {split: _Shelf((splits.count(split), *shape)) for split in set(splits)}
        pictures = progress.bar(listing.pictures, "fetch: pictures", unit="picture")
        images = _read(pictures, data.channels, data.image_size, WHERE_SIZE)
        share = 0.0 if "test" in splits else data.test_share
        for row, (split, image) in enumerate(zip(splits, images, strict=True)):
            aside = split == "train" and chosen(image, share, seed)
            shelves[split].add(image, row, aside)
    train = shelves["train"]
    parts = {split: (shelf, shelf.front) for split, shelf in shelves.items()}
    parts = {"test": (train, train.back)} | parts
    arrays = {split: shelf.arrays(listing, part) for split, (shelf, part) in parts.items()}
    names = {
        split: ["/".join(listing.pictures[row].parts) for row in shelf.rows[part]]
        for split, (shelf, part) in parts.items()
    }
    return RawSplits(
        _fields(listing, shape), arrays["train"], arrays["test"], arrays.get("validation"), names
    )


def _fields(listing: Listing, shape: tuple[int, int, int]) -> dict[str, Field]:
    fields, names = labelled_images(shape, listing.class_names), listing.factor_names
    return fields | ({"factors": Field((len(names),), "factors", names)} if names else {})


class _Shelf:
    """Images with their rows in the list, filled from the front and from the back: one copy."""

    def __init__(self, shape: tuple[int, ...]):
        self.images, self.rows = empty(shape, WHERE_SIZE), np.empty(shape[0], int)
        self.start, self.stop = 0, shape[0]

    def add(self, image: np.ndarray, row: int, at_back: bool) -> None:
        self.start, self.stop = self.start + (not at_back), self.stop - at_back
        place = self.stop if at_back else self.start - 1
        self.images[place], self.rows[place] = image, row

    @property
    def front(self) -> slice:
        return slice(self.start)

    @property
    def back(self) -> slice:
        return slice(None, self.stop - 1 if self.stop else None, -1)

    def arrays(self, listing: Listing, part: slice) -> Arrays:
        arrays, rows = {"images": self.images[part]}, self.rows[part]
        if listing.class_names:
            arrays["labels"] = listing.labels[rows]
        if listing.factor_names:
            arrays["factors"] = listing.factors[rows]
        return arrays


def read_all(root: Path, channels: int | None, where: str) -> np.ndarray:
    """Returns the pictures of any folder, zip or tar, sorted by path, uint8 NHWC.

    Args:
        root: Pictures of one size, in subfolders or not; links are followed.
        channels: 1 (grey), 3 (colour), or None: grey if every picture is.
        where: What set the folder, for errors: `"See --real"`.

    Raises:
        InputError: There are no pictures, one is not readable, or sizes differ.
    """
    with picture_files.opened(root, where) as files:
        if left_out := picture_files.words(files.left_out):
            progress.note(f"{root}: {len(files.pictures)} pictures; {left_out}")
        first = files.pictures[0]
        if channels is None:
            grey = all(decoding.is_grey(file.open(), file.name) for file in files.pictures)
            channels = 1 if grey else 3
        size = decoding.read_size(first.open(), first.name)
        images = empty((len(files.pictures), *size, channels), where)
        for row, image in enumerate(_read(files.pictures, channels, None, where)):
            images[row] = image
    return images


def _read(
    pictures: Iterable[PictureFile], channels: int, size: tuple[int, int] | None, where: str
) -> Iterator[np.ndarray]:
    """Yields the pictures as uint8 (height, width, channels), scaled if there is a size."""
    first = None
    for file in pictures:
        image = decoding.read_image(file.open(), channels, size, file.name)
        first = first or (file.name, image.shape)
        if image.shape != first[1]:
            unless = ", or data.image_size must be set" if where == WHERE_SIZE else ""
            one, other = (
                f"{name} is {height}x{width}"
                for name, (height, width, _) in (first, (file.name, image.shape))
            )
            raise InputError(
                f"pictures must have one size (height x width){unless}", f"{one}, {other}", where
            )
        yield image
