"""Which images go aside: decided by a seeded hash of each image.

Equal images lie on one side, and adding images moves no other.
"""

import hashlib

import numpy as np

from genlab.contract.fields import Arrays


def chosen(image: np.ndarray, share: float, seed: int) -> bool:
    """Returns whether an image belongs to the part that goes aside.

    Args:
        image: uint8, any shape.
        share: Of the images to put aside, in (0, 1); met on average.
        seed: From 0 to 2**32 - 1; another seed, another part.
    """
    digest = hashlib.sha256(seed.to_bytes(4) + image.tobytes()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def carve(arrays: Arrays, share: float, seed: int) -> tuple[Arrays, Arrays]:
    """Returns the rows that stay, and those whose image is chosen to go aside.

    Args:
        arrays: `images`, and other fields with as many rows.
        share: See `chosen`.
        seed: See `chosen`.
    """
    rows = (chosen(image, share, seed) for image in arrays["images"])
    aside = np.fromiter(rows, bool, len(arrays["images"]))
    stays, goes = ({n: array[mask] for n, array in arrays.items()} for mask in (~aside, aside))
    return stays, goes
