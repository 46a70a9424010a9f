"""Which images go aside: decided by a seeded hash of each image.

Equal images lie on one side, and adding images moves no other.
"""

import hashlib

import numpy as np


def chosen(image: np.ndarray, share: float, seed: int) -> bool:
    """Returns whether an image belongs to the part that goes aside.

    Args:
        image: uint8, any shape.
        share: Of the images to put aside, in (0, 1); met on average.
        seed: From 0 to 2**32 - 1; another seed, another part.
    """
    digest = hashlib.sha256(seed.to_bytes(4) + image.tobytes()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
