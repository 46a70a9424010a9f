"""Which of several results is best, by one objective or by several: one rule everywhere.

Results that no other one dominates are the first front, without them the next front, and so on
(non-dominated sorting: Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
2002). Within a front its knee comes first. Every objective is scaled over the front so that its
best value is 0 and its worst 1; the knee has the smallest sum. With two objectives it is the point
below the line between the ends of the front that lies farthest from it (the knee of Das, "On
characterizing the 'knee' of the Pareto curve based on Normal-Boundary Intersection", 1999). Between
equals the first objective decides, then who came first.

With one objective this is the order of its values.
"""

from collections.abc import Sequence

import numpy as np

RULE = (
    "the knee of the front: each objective is scaled over the front to 0 for its best value and 1 "
    "for its worst, and the smallest sum wins, which for two objectives lies farthest from the "
    "line between the ends of the front; between equals the first objective decides"
)


def fronts(points: Sequence[Sequence[float]]) -> list[list[int]]:
    """Returns the fronts, best first, as indices of the points (n, objectives); low is better."""
    values = np.asarray(points, float)
    left = list(range(len(values)))
    found = []
    while left:
        front = [one for one in left if not any(_dominates(values[o], values[one]) for o in left)]
        found.append(front)
        left = [one for one in left if one not in front]
    return found


def _dominates(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a point is nowhere worse than another, and somewhere better."""
    return bool(np.all(one <= other) and np.any(one < other))


def order(points: Sequence[Sequence[float]]) -> list[int]:
    """Returns the indices of the points (n, objectives), best first; low is better."""
    return [index for front in fronts(points) for index in _from_the_knee(points, front)]


def _from_the_knee(points: Sequence[Sequence[float]], front: Sequence[int]) -> list[int]:
    values = np.asarray([points[index] for index in front], float)
    best, worst = values.min(axis=0), values.max(axis=0)
    spans = np.where(worst > best, worst - best, 1.0)
    sums = np.round(((values - best) / spans).sum(axis=1), 12)  # the ends have 1 each, exactly
    return sorted(front, key=lambda i: (sums[front.index(i)], points[i][0], i))
