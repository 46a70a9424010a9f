"""The field `inputs`: what a translator is given, derived from the images themselves.

So translation, inpainting and super-resolution have a ground truth on every data set. Each image is
derived by itself: equal images have equal inputs, and more images change none. All arithmetic is on
integers or exact in float64, so the result is the same on every machine.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from genlab.contract.fields import Field

LUMA = (299, 587, 114)
"""Thousandths of red, green and blue: Rec. ITU-R BT.601."""
GREY = 127
FACTOR = 4


def grey(images: np.ndarray, seed: int) -> np.ndarray:
    """Returns the luma (n, height, width, 1), rounded; grey images are their own."""
    del seed
    if images.shape[-1] == 1:
        return images
    thousandths = images.astype(np.int32) @ np.array(LUMA, np.int32)
    return ((thousandths + 500) // 1000).astype(np.uint8)[..., np.newaxis]


def edges(images: np.ndarray, seed: int) -> np.ndarray:
    """Returns the length of the luma's gradient (n, height, width, 1), by Sobel's operator.

    sqrt(gx^2 + gy^2) / 4, rounded and cut at 255, where gx is [1 2 1]^T [-1 0 1] and gy its
    transpose: an upright edge from 0 to 255 gives 255. At the border the nearest pixel is repeated.
    Sobel and Feldman, "A 3x3 Isotropic Gradient Operator for Image Processing", 1968.
    """
    luma = grey(images, seed)[..., 0].astype(np.int32)
    squares = np.zeros(luma.shape, np.int32)
    for across, along in ((1, 2), (2, 1)):
        smooth = ndimage.correlate1d(luma, [1, 2, 1], across, mode="nearest")
        squares += ndimage.correlate1d(smooth, [-1, 0, 1], along, mode="nearest") ** 2
    return np.minimum(np.rint(np.sqrt(squares) / 4), 255).astype(np.uint8)[..., np.newaxis]


def masked(images: np.ndarray, seed: int) -> np.ndarray:
    """Returns the images with a grey rectangle of half their height and width.

    Its place is a seeded SHA-256 of the image, modulo the places where it fits. After the random
    regions of Pathak et al., "Context Encoders: Feature Learning by Inpainting", CVPR 2016.
    """
    height, width = images.shape[1:3]
    high, wide = height // 2, width // 2
    inputs = images.copy()
    for image, covered in zip(images, inputs, strict=True):
        digest = hashlib.sha256(seed.to_bytes(4) + image.tobytes()).digest()
        top = int.from_bytes(digest[:8]) % (height - high + 1)
        left = int.from_bytes(digest[8:16]) % (width - wide + 1)
        covered[top : top + high, left : left + wide] = GREY
    return inputs


def small(images: np.ndarray, seed: int) -> np.ndarray:
    """Returns the images at a quarter of their height and width, enlarged to their size again.

    Squares of 4 x 4 pixels, those at the lower and the right border perhaps smaller, have their
    mean colour, rounded: the factor of Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network", CVPR 2017, which reduces bicubically.
    """
    del seed
    height, width = images.shape[1:3]
    rows, columns = (np.arange(0, size, FACTOR) for size in (height, width))
    sums = np.add.reduceat(np.add.reduceat(images, rows, 1, np.int64), columns, 2)
    heights, widths = (
        np.diff([*starts, size]) for starts, size in ((rows, height), (columns, width))
    )
    areas = np.outer(heights, widths)[..., np.newaxis]
    means = ((2 * sums + areas) // (2 * areas)).astype(np.uint8)
    return means.repeat(heights, axis=1).repeat(widths, axis=2)


DERIVED: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "grey": grey,
    "edges": edges,
    "masked": masked,
    "small": small,
}
"""By the value of `params.yaml: data.inputs`: uint8 images (n, height, width, channels) and a seed
below 2**32 to uint8 inputs of the same height and width."""


def derive(name: str, seed: int, images: np.ndarray) -> np.ndarray:
    """Returns the inputs that `data.inputs` names."""
    return DERIVED[name](images, seed)


def field_of(name: str, images: Field) -> Field:
    """Returns the field of the inputs that `data.inputs` names, for these images."""
    example = np.zeros((1, *images.shape), np.uint8)
    return Field(derive(name, 0, example).shape[1:], "image")
