"""Which of several results is best, by one objective or by several: one rule everywhere.

Results that no other one dominates are the first front, without them the next front, and so on
(non-dominated sorting: Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
2002). Within a front its knee comes first. Every objective is scaled over the front so that its
best value is 0 and its worst 1; the knee has the smallest sum. With two objectives it is the point
below the line between the ends of the front that lies farthest from it (the knee of Das, "On
characterizing the 'knee' of the Pareto curve based on Normal-Boundary Intersection", 1999). Between
equals the first objective decides, then who came first.

The two points of a front of two are always equal by their own scale. So the finalists of a study,
which are few, are scaled by the spans of the front of its trials.

With one objective this is the order of its values.
"""

from collections.abc import Sequence

import numpy as np

RULE = (
    "the knee of the front: each objective is divided by its span over the front of the trials, "
    "and the smallest sum wins, which for two objectives lies farthest below the line between the "
    "ends of the front; between equals the first objective decides"
)


def fronts(points: Sequence[Sequence[float]]) -> list[list[int]]:
    """Returns the fronts, best first, as indices of the points (n, objectives); low is better."""
    if not points:
        return []
    values = np.asarray(points, float)
    one, other = values[:, np.newaxis], values[np.newaxis]
    dominates = np.all(one <= other, axis=2) & np.any(one < other, axis=2)
    num_better = dominates.sum(axis=0)
    found = []
    while (num_better >= 0).any():
        front = np.flatnonzero(num_better == 0)
        num_better -= dominates[front].sum(axis=0)
        num_better[front] = -1
        found.append(front.tolist())
    return found


def order(points: Sequence[Sequence[float]], among: Sequence[Sequence[float]] = ()) -> list[int]:
    """Returns the indices of the points (n, objectives), best first; low is better.

    The spans are those of each front, or of the first front of the points `among`.
    """
    given = _spans(among, fronts(among)[0]) if among else None
    ordered: list[int] = []
    for front in fronts(points):
        own = _spans(points, front)
        spans = own if given is None else np.where(given > 0, given, own)
        ordered += _from_the_knee(points, front, np.where(spans > 0, spans, 1.0))
    return ordered


def _spans(points: Sequence[Sequence[float]], front: Sequence[int]) -> np.ndarray:
    """Returns each objective's span over a front; where that is 0, over all points."""
    values = np.asarray(points, float)
    spans = np.ptp(values[list(front)], axis=0)
    return np.where(spans > 0, spans, np.ptp(values, axis=0))


def _from_the_knee(
    points: Sequence[Sequence[float]], front: Sequence[int], spans: np.ndarray
) -> list[int]:
    values = np.asarray([points[index] for index in front], float)
    sums = ((values - values.min(axis=0)) / spans).sum(axis=1)
    sums = np.round(sums, 12)  # the ends have 1 each, but for rounding
    return sorted(front, key=lambda index: (sums[front.index(index)], points[index][0], index))
