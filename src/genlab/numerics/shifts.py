"""Images that are equal up to a shift: fast to find among many, by what a shift does not change.

A shift turns the phases of an image's Fourier coefficients and leaves their magnitudes (exactly so
where the borders are plain). So the lowest magnitudes choose candidates; the distance to each of
these is measured in the pixels, at every shift.
"""

from collections.abc import Iterator

import numpy as np

from genlab.numerics import neighbours
from genlab.numerics.remembering import remembered

LARGEST_SHIFT = 2
"""Pixels; less in images with a side below 16."""
LOWEST = 4
"""Frequencies of each axis whose magnitudes are compared, 0 among them."""
IMAGES_AT_ONCE = 64


@remembered(8)
def distances(queries: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Returns the distances of each query to the images that are nearest to it up to a shift.

    Args:
        queries: uint8 (m, height, width, channels).
        images: The same of n images.

    Returns:
        Euclidean distances of grey values within the queries' borders, each the smallest over all
        shifts, float32 (m, k); k is `neighbours.LISTED`, at most n; in no order.
    """
    indices = neighbours.candidates(spectra(queries), spectra(images))
    parts = [
        np.min([_distances(query, image) for query, image in _shifted(queries[rows], others)], 0)
        for rows, others in _parts(indices, images)
    ]
    return np.concatenate(parts)


@remembered(2)
def spectra(images: np.ndarray) -> np.ndarray:
    """Returns the magnitudes of the lowest Fourier coefficients of images, float32 (n, size)."""
    parts = [
        _spectra(np.asarray(images[start : start + 1000], np.float32))
        for start in range(0, len(images), 1000)
    ]
    return np.concatenate(parts)


def _spectra(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    vertical = _waves(height, np.arange(LOWEST))
    horizontal = _waves(width, np.arange(1 - LOWEST, LOWEST))
    coefficients = np.einsum("nhwc,wx,hy->nyxc", images, horizontal, vertical, optimize=True)
    return np.abs(coefficients).reshape(len(images), -1)


def _waves(size: int, frequencies: np.ndarray) -> np.ndarray:
    phases = np.outer(np.arange(size), frequencies) / size
    return np.exp(-2j * np.pi * phases).astype(np.complex64)


def _parts(indices: np.ndarray, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields rows of the queries and the candidates of each, (rows, k, height, width, channels)."""
    for start in range(0, len(indices), IMAGES_AT_ONCE):
        rows = slice(start, start + IMAGES_AT_ONCE)
        own = indices[rows]
        yield rows, np.asarray(images[own.ravel()]).reshape(*own.shape, *images.shape[1:])


def _shifted(queries: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the middle of the queries, (m, 1, ...), and as much of the others at every shift."""
    height, width = queries.shape[1:3]
    most = min(LARGEST_SHIFT, min(height, width) // 8)
    others = others.astype(np.float32)
    middle = np.s_[most : height - most], np.s_[most : width - most]
    queries = queries[:, np.newaxis, *middle].astype(np.float32)
    for top in range(2 * most + 1):
        for left in range(2 * most + 1):
            rows, columns = (
                np.s_[top : top + queries.shape[2]],
                np.s_[left : left + queries.shape[3]],
            )
            yield queries, others[:, :, rows, columns]


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    differences = (second - first).reshape(*second.shape[:2], -1)
    return np.sqrt(np.einsum("mkp,mkp->mk", differences, differences))
