"""Nearest neighbours by Euclidean distance, all pairs in blocks of bounded memory.

|a - b|^2 = |a|^2 - 2 a.b + |b|^2 as matrix products in float32 is fast, and wrong where a and b are close. So products
only choose: whatever is returned or decided is computed from the differences themselves, in float64.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from genlab.images import digest

BLOCK_SIZE = 2**22
"""Numbers in the largest array of one block."""
EXTRA = 8
"""Candidates for the k-th nearest beyond k: rounding may have changed the places of neighbours about as far away."""


KEPT = 16
"""Results that are remembered; the largest is as long as a set of images."""

Function = TypeVar("Function", bound=Callable[..., Any])


def _remembered(function: Function) -> Function:
    """Keeps the last results by the content of what was given, read-only.

    Several metrics ask the same of the real images, and every further set of generated images does so again.
    """
    kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        key = tuple(digest(value) if isinstance(value, np.ndarray) else value for value in arguments)
        if key not in kept:
            kept[key] = function(*arguments)
            for array in kept[key] if isinstance(kept[key], tuple) else (kept[key],):
                array.flags.writeable = False
        kept.move_to_end(key)
        if len(kept) > KEPT:
            kept.popitem(last=False)
        return kept[key]

    return call  # type: ignore[return-value]


class _Block(NamedTuple):
    """Some queries against all points: squared distances (rows, n), float32, and how wrong they may be (rows, 1)."""

    rows: slice
    squared: np.ndarray
    tolerance: np.ndarray


@_remembered
def kth_distances(points: np.ndarray, k: int) -> np.ndarray:
    """Returns how far the k-th nearest other point is from each point, float64 (n,).

    Args:
        points: (n, size). A point of the same value is another point, at distance 0.
        k: From 1 to n - 1.
    """
    found = np.empty(len(points))
    number = min(k + EXTRA, len(points) - 1)
    for block in _blocks(points, points, number * points.shape[1]):
        block.squared[np.arange(len(block.squared)), np.arange(len(points))[block.rows]] = np.inf  # itself
        candidates = np.argpartition(block.squared, number - 1, axis=1)[:, :number]
        distances = _distances(points[block.rows, None], points[candidates])
        found[block.rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return found


@_remembered
def nearest(queries: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far the nearest point is from each query, float64 (m,), and its index, int64 (m,).

    Of points whose squared distances differ by less than the rounding of float32 any one may be given, with its own
    distance.

    Args:
        queries: (m, size).
        points: (n, size), n at least 1.
    """
    indices = np.empty(len(queries), np.int64)
    distances = np.empty(len(queries))
    for block in _blocks(queries, points, points.shape[1]):
        indices[block.rows] = block.squared.argmin(axis=1)
        distances[block.rows] = _distances(queries[block.rows], points[indices[block.rows]])
    return distances, indices


def count_balls(queries: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Returns in how many balls each query lies, surfaces included: int64 (m,).

    Args:
        queries: (m, size).
        centres: (n, size).
        radii: (n,), float64.
    """
    counts = np.empty(len(queries), np.int64)
    squared_radii = np.square(radii).astype(np.float32)
    for block in _blocks(queries, centres, centres.shape[1]):
        excess = block.squared - squared_radii
        inside = excess < -block.tolerance
        unsure = np.nonzero(np.abs(excess) <= block.tolerance)
        inside[unsure] = _are_inside(queries[block.rows], centres, radii, *unsure)
        counts[block.rows] = np.count_nonzero(inside, axis=1)
    return counts


def _are_inside(
    queries: np.ndarray, centres: np.ndarray, radii: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Returns of pairs of a query and a ball, (pairs,) each, whether the one lies in the other: bool (pairs,)."""
    inside = np.empty(len(rows), bool)
    step = max(1, BLOCK_SIZE // centres.shape[1])
    for start in range(0, len(rows), step):
        row, column = (indices[start : start + step] for indices in (rows, columns))
        inside[start : start + step] = _distances(queries[row], centres[column]) <= radii[column]
    return inside


def _blocks(queries: np.ndarray, points: np.ndarray, size_per_query: int) -> Iterator[_Block]:
    """Yields the queries in turn; `size_per_query` is of what the caller makes of each."""
    centre = points.mean(axis=0, dtype=np.float64)  # small norms, small rounding
    others = (points - centre).astype(np.float32)
    norms = np.einsum("ij,ij->i", others, others)
    farthest = np.sqrt(norms.max())
    share = float(np.finfo(np.float32).eps * (8 + np.sqrt(points.shape[1])))
    step = max(1, BLOCK_SIZE // max(len(points), size_per_query))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        block = (queries[rows] - centre).astype(np.float32)
        own = np.einsum("ij,ij->i", block, block)[:, None]
        squared = block @ others.T
        squared *= -2
        squared += norms
        squared += own
        yield _Block(rows, squared, share * np.square(np.sqrt(own) + farthest))


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the distances of vectors (..., size): float64 (...)."""
    return np.sqrt(np.square(np.subtract(first, second, dtype=np.float64)).sum(axis=-1))
