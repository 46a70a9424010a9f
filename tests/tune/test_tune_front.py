"""The order of results by one objective or several, against brute force and drawn fronts."""

import numpy as np
import pytest
from optuna.study._multi_objective import _fast_non_domination_rank

from genlab.tune import front


def test_one_objective_is_the_order_of_its_values() -> None:
    assert front.order([[3.0], [1.0], [2.0], [1.0]]) == [1, 3, 2, 0]
    assert front.order([]) == []
    assert front.fronts([]) == []


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_fronts_are_those_of_optuna(num_objectives: int) -> None:
    points = np.random.default_rng(num_objectives).integers(0, 6, (60, num_objectives)) / 1.0
    ranks = _fast_non_domination_rank(points)
    expected = [np.flatnonzero(ranks == rank).tolist() for rank in range(ranks.max() + 1)]
    assert front.fronts(points.tolist()) == expected


def distance_to_line(point: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Returns how far below the line through two points a point lies; negative above it."""
    along = (other - one) / np.linalg.norm(other - one)
    normal = np.array([along[1], -along[0]])
    normal *= -np.sign(normal.sum())  # towards low values
    return float((point - one) @ normal)


@pytest.mark.parametrize("units", [(1.0, 1.0), (1000.0, 0.01)])
def test_knee_is_farthest_from_the_line_between_the_ends(units: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.random(30))
    curve = np.stack([x, (1 - x) ** 3 * (1 + 0.0 * x)], axis=1)
    scaled = (curve - curve.min(0)) / (curve.max(0) - curve.min(0))
    far = [distance_to_line(point, scaled[0], scaled[-1]) for point in scaled]
    assert front.order((curve * units).tolist())[0] == int(np.argmax(far))


@pytest.mark.parametrize(
    ("points", "first"),
    [
        ([[0.0, 9.0], [1.0, 1.0], [9.0, 0.0]], 1),
        ([[0.0, 9.0], [8.0, 8.0], [9.0, 0.0]], 0),  # the middle lies above the line: an end wins
        ([[9.0, 0.0], [0.0, 9.0]], 1),  # two ends are equal: the first objective decides
        ([[1.0, 5.0], [1.0, 5.0]], 0),
        ([[0.5, 0.5], [0.0, 9.0], [0.4, 0.4], [9.0, 0.0]], 2),  # dominated: never first
    ],
)
def test_who_is_first(points: list[list[float]], first: int) -> None:
    assert front.order(points)[0] == first


def test_a_later_front_comes_after_all_of_an_earlier_one() -> None:
    points = [[0.0, 10.0], [10.0, 0.0], [1.0, 11.0], [5.0, 5.5]]
    assert front.order(points)[-1] == 2


def test_two_points_are_weighed_by_the_spans_of_a_larger_front() -> None:
    """By their own scale they are equal: each is best by one objective."""
    points = [[0.0290, 31.0], [0.0291, 20.0]]
    trials = [[0.028, 60.0], [0.030, 30.0], [0.040, 19.0], [0.5, 500.0]]
    assert front.order(points) == [0, 1]
    assert front.order(points, trials) == [1, 0]
    assert front.order(points[::-1], [[1.0, 1.0]]) == [1, 0]  # no spans: their own
