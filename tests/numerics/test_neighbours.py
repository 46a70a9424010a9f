"""Nearest neighbours in blocks, against SciPy's tree and loops over all pairs."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from genlab.numerics import neighbours


def points(number: int, size: int, seed: int, centre: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(number, size)) + centre).astype(np.float32)


@pytest.fixture(params=[2**22, 64, 1], ids=["whole", "blocks", "single rows"])
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_SIZE", request.param)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("k", [1, 3, 59])
def test_kth_distances_agree_with_a_tree(k: int) -> None:
    found = points(60, 5, 0)
    expected = KDTree(found.astype(np.float64)).query(found, k=[k + 1])[0][
        :, 0
    ]  # the nearest is the point itself
    np.testing.assert_allclose(neighbours.kth_distances(found, k), expected, rtol=1e-14)


@pytest.mark.usefixtures("block_size")
def test_nearest_agrees_with_a_tree() -> None:
    queries, others = points(40, 5, 1), points(70, 5, 2)
    distances, indices = neighbours.nearest(queries, others)
    expected_distances, expected = KDTree(others.astype(np.float64)).query(queries)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-14)


@pytest.mark.usefixtures("block_size")
def test_balls_agree_with_a_loop() -> None:
    queries, centres = points(30, 3, 3), points(50, 3, 4)
    radii = np.random.default_rng(5).uniform(0, 2, 50)
    expected = [
        sum(
            float(np.linalg.norm(query.astype(np.float64) - centre)) <= radius
            for centre, radius in balls
        )
        for query in queries
        for balls in [list(zip(centres.astype(np.float64), radii, strict=True))]
    ]
    np.testing.assert_array_equal(neighbours.count_balls(queries, centres, radii), expected)
    assert 0 < sum(expected) < 1500


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("centre", [0.0, 1000.0])
def test_a_neighbour_on_the_surface_is_inside(centre: float) -> None:
    """Each ball reaches exactly to the k-th neighbour: it holds its centre and k others, whatever rounding does."""
    found = points(80, 6, 6, centre)
    counts = neighbours.count_balls(found, found, neighbours.kth_distances(found, 4))
    assert counts.sum() == 80 * 5


def test_equal_points_are_at_distance_zero_far_from_the_origin() -> None:
    found = np.concatenate([points(20, 8, 7, 1e4)] * 2)
    np.testing.assert_array_equal(neighbours.kth_distances(found, 1), np.zeros(40))
    distances, _ = neighbours.nearest(found, found[:20])
    np.testing.assert_array_equal(distances, np.zeros(40))


def test_close_points_far_from_the_origin_keep_their_digits() -> None:
    """With |a|^2 - 2 a.b + |b|^2 in float32 nothing would be left of a distance of 10^-3 at 10^4."""
    origin = np.full((1, 4), 1e4)
    others = origin + np.array([[0.001, 0, 0, 0], [0, 0.003, 0, 0], [0, 0, 0.009, 0]])
    assert neighbours.nearest(origin, others)[0] == pytest.approx(0.001, rel=1e-6)
    found = neighbours.kth_distances(np.concatenate([origin, others]), 2)
    assert found[0] == pytest.approx(0.003, rel=1e-6)


def test_crowded_points_beside_far_ones_are_told_apart_by_their_differences() -> None:
    """One far point makes the products' rounding larger than the crowd: all of the crowd must be recomputed."""
    crowd = np.random.default_rng(8).normal(size=(999, 3)) * 1e-3
    found = np.concatenate([crowd, [[1e3, 0, 0]]])
    expected = KDTree(found).query(found, k=[3])[0][:, 0]
    np.testing.assert_allclose(neighbours.kth_distances(found, 2), expected, rtol=1e-12)
    radii = np.full(1000, 1e-3)
    inside = [int((np.linalg.norm(found - point, axis=1) <= 1e-3).sum()) for point in found]
    np.testing.assert_array_equal(neighbours.count_balls(found, found, radii), inside)
    assert 2_000 < sum(inside) < 998_000


@pytest.mark.parametrize("k", [1, 5])
def test_two_crowds_have_the_distances_of_a_tree(k: int) -> None:
    """A thousand points about each of two modes: the products' rounding exceeds all differences within a mode."""
    modes = np.repeat([[-5.0], [5.0]], 1000, axis=0)
    found = modes + np.random.default_rng(10).normal(size=(2000, 16)) * 1e-3
    expected = KDTree(found).query(found, k=[k + 1])[0][:, 0]
    np.testing.assert_allclose(neighbours.kth_distances(found, k), expected, rtol=1e-12)
    queries = found + np.random.default_rng(11).normal(size=found.shape) * 1e-3
    distances, indices = KDTree(found).query(queries)
    received = neighbours.nearest(queries, found)
    np.testing.assert_array_equal(received[1], indices)
    np.testing.assert_allclose(received[0], distances, rtol=1e-12)


def test_no_block_is_larger_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_SIZE", 1000)
    found = points(100, 4, 9)
    shapes = [block.squared.shape for block in neighbours._blocks(found, found)]
    assert shapes == [(10, 100)] * 10
