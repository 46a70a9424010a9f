"""Nearest neighbours by Euclidean distance, all pairs in blocks of bounded memory.

|a - b|^2 = |a|^2 - 2 a.b + |b|^2 as matrix products in float32 is fast, and wrong where a and b are
close. So products only choose candidates: every distance that is returned or compared is computed
from the difference itself, in float64.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from genlab.numerics.remembering import remembered

BLOCK_SIZE = 2**22
"""Numbers in the largest array of one block."""
MEMORY = 48
"""Results that are remembered; the largest is as long as a set of images."""

LISTED = 16
"""Points that are listed for each one: enough for several k, and for sets without some points."""

Nearest = tuple[np.ndarray, np.ndarray]
"""Distances, float64, and indices, int64: (m,), or (m, k) with the nearest first."""


def kth_distances(points: np.ndarray, k: int) -> np.ndarray:
    """Returns the distance from each point (n, size) to the k-th nearest other one, float64 (n,).

    A point of the same value is another point, at distance 0; k is from 1 to n - 1.
    """
    return _listed(points, k)[0][:, k]  # the nearest is the point itself


def kth_distances_of_parts(points: np.ndarray, k: int, kept: np.ndarray) -> np.ndarray:
    """Returns `kth_distances` of each part of the points, float64 (parts, n).

    All points are searched once; the few that have too few neighbours left are searched again.

    Args:
        points: (n, size).
        k: From 1 to the number of points in the smallest part less 1.
        kept: Which points are in a part, bool (parts, n); the others' distance is minus infinity.
    """
    distances, indices = _listed(points, k)
    radii = np.full(kept.shape, -np.inf)
    for own, part in zip(radii, kept, strict=True):
        known = part[indices[part]]
        place = np.argmax(np.cumsum(known, axis=1) == k + 1, axis=1)  # 0 where there is none
        own[part] = np.take_along_axis(distances[part], place[:, None], axis=1)[:, 0]
        again = np.flatnonzero(part)[known.sum(axis=1) <= k]
        if len(again):
            own[again] = _search(points[again], points[part], k + 1)[0][:, k]
    return radii


def nearest(queries: np.ndarray, points: np.ndarray) -> Nearest:
    """Returns the distance from each query (m, size) to the nearest point (n, size), and its index.

    Of points at equal distance it is the first.
    """
    distances, indices = _search(queries, points, 1)
    return distances[:, 0], indices[:, 0]


def candidates(queries: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the indices of the nearest points of each query, nearest first: int64 (m, k).

    k is `LISTED`, or the number of points if that is smaller.
    """
    return _search(queries, points, min(LISTED, len(points)))[1]


class Pairs(NamedTuple):
    """Indices of queries and centres, int64 (pairs,), and how far apart they are, float64 (pairs,).

    0 stands for any distance that is surely below the smallest radius in question.
    """

    queries: np.ndarray
    centres: np.ndarray
    distances: np.ndarray


def pairs_in_balls(queries: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> Iterator[Pairs]:
    """Yields each query with each ball in which it lies, surfaces included, in blocks.

    Args:
        queries: (m, size).
        centres: Of the balls, (n, size).
        radii: For one set of balls or several, (n,) or (sets, n); below 0 where there is no ball.
            The pairs are those of the largest balls.
    """
    radii = np.atleast_2d(radii)
    largest, smallest = radii.max(axis=0), np.where(radii < 0, np.inf, radii).min(axis=0)
    squared_largest = np.where(largest < 0, -np.inf, np.square(largest)).astype(np.float32)
    squared_smallest = np.square(smallest).astype(np.float32)
    for block in _blocks(queries, centres):
        rows, columns = _where(block.squared <= squared_largest + block.tolerance)
        excess = block.squared[rows, columns] - squared_smallest[columns]
        near = np.flatnonzero(excess >= -block.tolerance[rows, 0])
        distances = np.zeros(len(rows))
        distances[near] = _distances(queries[block.rows], centres, rows[near], columns[near])
        inside = distances <= largest[columns]
        yield Pairs(rows[inside] + block.rows.start, columns[inside], distances[inside])


def _listed(points: np.ndarray, k: int) -> Nearest:
    """Returns the nearest points of each point, itself among them, more than k."""
    return _search(points, points, min(len(points), max(LISTED, 2 * (k + 1))))


@remembered(MEMORY)
def _search(queries: np.ndarray, points: np.ndarray, k: int) -> Nearest:
    """Returns the distances from each query to its k nearest points, and these points' indices."""
    distances, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    for block in _blocks(queries, points):
        rows, columns = _candidates(block, k)
        measured = _distances(queries[block.rows], points, rows, columns)
        order = np.lexsort((measured, rows))  # row by row, the nearest candidate first
        starts = np.searchsorted(rows, np.arange(len(block.squared)))
        chosen = order[starts[:, None] + np.arange(k)]
        distances[block.rows], indices[block.rows] = measured[chosen], columns[chosen]
    return distances, indices


class _Block(NamedTuple):
    """Rows of the queries, squared distances (rows, n) and how wrong these may be (rows, 1)."""

    rows: slice
    squared: np.ndarray
    tolerance: np.ndarray


def _blocks(queries: np.ndarray, points: np.ndarray) -> Iterator[_Block]:
    centre = points.mean(axis=0, dtype=np.float64)  # small norms, small rounding
    others = (points - centre).astype(np.float32)
    norms = np.einsum("ij,ij->i", others, others)
    farthest = np.sqrt(norms.max())
    share = float(np.finfo(np.float32).eps * (8 + np.sqrt(points.shape[1])))
    others *= -2  # exact
    step = max(1, BLOCK_SIZE // len(points))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        block = (queries[rows] - centre).astype(np.float32)
        own = np.einsum("ij,ij->i", block, block)[:, None]
        squared = block @ others.T
        squared += norms
        squared += own
        yield _Block(rows, squared, share * np.square(np.sqrt(own) + farthest))


def _candidates(block: _Block, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs, by row and column, among which the k nearest points of each row are.

    A square is off by at most the tolerance, and so is the k-th smallest one: the k nearest points
    have squares of at most twice the tolerance above it.
    """
    squared = block.squared
    smallest = squared.min(axis=1) if k == 1 else np.partition(squared, k - 1, axis=1)[:, k - 1]
    return _where(squared <= smallest[:, None] + 2 * block.tolerance)


def _where(condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns as `np.nonzero` does, in a tenth of the time."""
    rows, columns = np.divmod(np.flatnonzero(condition), condition.shape[1])
    return rows, columns


def _distances(
    queries: np.ndarray, points: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Returns the distances of pairs of a query and a point, by their indices: float64 (pairs,)."""
    distances = np.empty(len(rows))
    step = max(1, BLOCK_SIZE // points.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        pairs = queries[rows[part]], points[columns[part]]
        differences = np.subtract(*pairs, dtype=np.float64)
        distances[part] = np.sqrt(np.square(differences).sum(axis=-1))
    return distances
