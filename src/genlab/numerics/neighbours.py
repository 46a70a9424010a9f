"""Nearest neighbours by Euclidean distance, all pairs in blocks of bounded memory.

|a - b|^2 = |a|^2 - 2 a.b + |b|^2 as matrix products in float32 is fast, and wrong where a and b are close. So products
only choose: whatever is returned or decided is computed from the differences themselves, in float64.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from genlab.imaging.arrays import digest

BLOCK_SIZE = 2**22
"""Numbers in the largest array of one block."""
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
        key = tuple(
            digest(value) if isinstance(value, np.ndarray) else value for value in arguments
        )
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
    for block in _blocks(points, points):
        block.squared[np.arange(len(block.squared)), np.arange(len(points))[block.rows]] = (
            np.inf
        )  # itself
        found[block.rows], _ = _kth(block, points, points, k)
    return found


@_remembered
def nearest(queries: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far the nearest point is from each query, float64 (m,), and its index, int64 (m,).

    Of points that are equally far away it is the first one.

    Args:
        queries: (m, size).
        points: (n, size), n at least 1.
    """
    indices = np.empty(len(queries), np.int64)
    distances = np.empty(len(queries))
    for block in _blocks(queries, points):
        distances[block.rows], indices[block.rows] = _kth(block, queries, points, 1)
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
    for block in _blocks(queries, centres):
        excess = block.squared - squared_radii
        inside = excess < -block.tolerance
        unsure = _where(np.abs(excess) <= block.tolerance)
        inside[unsure] = (
            _distances_of_pairs(queries[block.rows], centres, *unsure) <= radii[unsure[1]]
        )
        counts[block.rows] = np.count_nonzero(inside, axis=1)
    return counts


def _kth(
    block: _Block, queries: np.ndarray, points: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distance to the k-th nearest point of each query of a block, and that point's index.

    The k-th smallest of the squares is off by at most the tolerance, and so is the square of each point: the k nearest
    have squares that are at most twice the tolerance above it. The distances of all such points are computed.
    """
    smallest = (
        block.squared.min(axis=1)
        if k == 1
        else np.partition(block.squared, k - 1, axis=1)[:, k - 1]
    )
    rows, columns = _where(block.squared <= smallest[:, None] + 2 * block.tolerance)
    distances = _distances_of_pairs(queries[block.rows], points, rows, columns)
    order = np.lexsort((distances, rows))
    chosen = order[np.searchsorted(rows, np.arange(len(smallest))) + k - 1]
    return distances[chosen], columns[chosen]


def _where(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows and the columns of what is true, as `np.nonzero`, which takes ten times as long."""
    rows, columns = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    return rows, columns


def _blocks(queries: np.ndarray, points: np.ndarray) -> Iterator[_Block]:
    """Yields the queries in turn."""
    centre = points.mean(axis=0, dtype=np.float64)  # small norms, small rounding
    others = (points - centre).astype(np.float32)
    norms = np.einsum("ij,ij->i", others, others)
    farthest = np.sqrt(norms.max())
    share = float(np.finfo(np.float32).eps * (8 + np.sqrt(points.shape[1])))
    others *= -2  # exact
    step = max(1, BLOCK_SIZE // len(points))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        block = (queries[rows] - centre).astype(np.float32)
        own = np.einsum("ij,ij->i", block, block)[:, None]
        squared = block @ others.T
        squared += norms
        squared += own
        yield _Block(rows, squared, share * np.square(np.sqrt(own) + farthest))


def _distances_of_pairs(
    queries: np.ndarray, points: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Returns the distances of pairs of a query and a point, given by their indices: float64 (pairs,)."""
    distances = np.empty(len(rows))
    step = max(1, BLOCK_SIZE // points.shape[1])
    for start in range(0, len(rows), step):
        row, column = (indices[start : start + step] for indices in (rows, columns))
        distances[start : start + step] = _distances(queries[row], points[column])
    return distances


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the distances of vectors (..., size): float64 (...)."""
    return np.sqrt(np.square(np.subtract(first, second, dtype=np.float64)).sum(axis=-1))
