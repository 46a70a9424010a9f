"""What looks wrong with sets of pictures: equal sets, copies, repetitions, single colours."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import numpy as np

from genlab.imaging.array_files import ArrayImages

PAIRS = {
    ("generated", "real"): "they are compared with themselves",
    ("generated", "train"): "the generator has copied them",
    ("real", "train"): "they are not held out",
}
"""What it means if pictures of the first set are in the second, too."""


def doubts(sets: Mapping[str, ArrayImages]) -> list[str]:
    """Returns a line for everything that is doubtful; pictures are equal if their bytes are."""
    sums = {name: [_sum(image) for image in part.images] for name, part in sets.items()}
    lines = [line for name, part in sets.items() for line in _of_set(name, part, sums[name])]
    for (name, other), meaning in PAIRS.items():
        if name in sums and other in sums:
            lines += _of_pair((name, sums[name]), (other, sums[other]), meaning)
    return lines


def _sum(image: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def _of_set(name: str, part: ArrayImages, sums: list[bytes]) -> Iterator[str]:
    number = len(sums)
    for doubt in part.doubts:
        yield f"{name} pictures: {doubt}"
    if part.images.max() == 1:
        yield (
            f"the {name} pictures hold no values but 0 and 1, of 255: they are black; "
            "--range=0,1 reads arrays of black and white"
        )
    if repeated := number - len(set(sums)):
        yield f"{repeated} of {number} {name} pictures repeat another one of them"
    flat = sum(bool(np.all(image == image[0, 0])) for image in part.images)
    if flat:
        yield f"{flat} of {number} {name} pictures are of a single colour"


def _of_pair(
    first: tuple[str, list[bytes]], second: tuple[str, list[bytes]], meaning: str
) -> Iterator[str]:
    (name, sums), (other, others) = first, second
    known, own = set(others), set(sums)
    shared = sum(picture in known for picture in sums)
    if sorted(sums) == sorted(others):
        yield f"the {name} and the {other} pictures are the same {len(sums)}: {meaning}"
    elif shared:
        all_of_them = f", which are all {len(others)} of them" if known <= own else ""
        yield f"{shared} of {len(sums)} {name} pictures are {other} ones{all_of_them}: {meaning}"
