"""Nearest neighbours in blocks, against SciPy's tree."""

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from genlab.numerics import neighbours


def points(number: int, size: int, seed: int, centre: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(number, size)) + centre).astype(np.float32)


def kth_in_tree(vectors: np.ndarray, k: int) -> np.ndarray:
    """Returns the distance to the k-th nearest other point; the nearest is the point itself."""
    return KDTree(vectors.astype(np.float64)).query(vectors, k=[k + 1])[0][:, 0]


@pytest.fixture(params=[2**22, 64, 1], ids=["whole", "blocks", "single rows"])
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches in blocks of this size, without a memory of other sizes."""
    monkeypatch.setattr(neighbours, "BLOCK_SIZE", request.param)
    monkeypatch.setattr(neighbours, "_search", neighbours._search.__wrapped__)  # type: ignore


def count_balls(queries: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Returns in how many balls each query lies."""
    counts = np.zeros(len(queries), np.int64)
    for pairs in neighbours.pairs_in_balls(queries, centres, radii):
        counts += np.bincount(pairs.queries, minlength=len(queries))
    return counts


@pytest.mark.usefixtures("block_size")
def test_blocks_agree_with_a_tree() -> None:
    queries, others = points(40, 5, 1), points(70, 5, 2)
    distances, indices = neighbours.nearest(queries, others)
    expected_distances, expected = KDTree(others.astype(np.float64)).query(queries)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-14)
    for k in (1, 3, 69):
        kth = neighbours.kth_distances(others, k)
        np.testing.assert_allclose(kth, kth_in_tree(others, k), rtol=1e-14)
    radii = np.random.default_rng(5).uniform(0, 5, 70)
    inside = (cdist(queries.astype(np.float64), others.astype(np.float64)) <= radii).sum(axis=1)
    np.testing.assert_array_equal(count_balls(queries, others, radii), inside)
    assert 0 < inside.sum() < 2800


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("centre", [0.0, 1000.0])
def test_a_neighbour_on_the_surface_is_inside(centre: float) -> None:
    """Each ball reaches to the k-th neighbour: it holds its centre and k others after rounding."""
    vectors = points(80, 6, 6, centre)
    counts = count_balls(vectors, vectors, neighbours.kth_distances(vectors, 4))
    assert counts.sum() == 80 * 5


def test_results_are_remembered_by_content_and_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = points(30, 3, 12)
    first = neighbours.kth_distances(vectors, 2)
    searched: list[int] = []
    monkeypatch.setattr(neighbours, "_blocks", lambda *_: searched.append(1))
    again, other = (neighbours.kth_distances(vectors.copy(), k) for k in (2, 5))
    np.testing.assert_array_equal(first, again)
    assert (other > first).all()
    assert searched == [], "several k are read from one list"
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("copies", [1, 30])
def test_parts_have_the_distances_of_a_search_of_their_own(share: float, copies: int) -> None:
    """Of crowded or many left-out points the lists are too short, and are made anew."""
    vectors = np.repeat(points(200 // copies, 4, 3), copies, axis=0)
    kept = np.random.default_rng(4).random((3, len(vectors))) > share
    kept[0, np.argsort(vectors[:, 0])[: len(vectors) // 2]] = False  # all of one side
    found = neighbours.kth_distances_of_parts(vectors, 4, kept)
    for own, part in zip(found, kept, strict=True):
        np.testing.assert_allclose(own[part], kth_in_tree(vectors[part], 4), rtol=1e-14)
        assert np.isneginf(own[~part]).all()
        assert not count_balls(vectors, vectors[~part], own[~part]).any()


def test_equal_points_are_at_distance_zero_far_from_the_origin() -> None:
    vectors = np.concatenate([points(20, 8, 7, 1e4)] * 2)
    np.testing.assert_array_equal(neighbours.kth_distances(vectors, 1), np.zeros(40))
    np.testing.assert_array_equal(neighbours.nearest(vectors, vectors[:20])[0], np.zeros(40))


def test_close_points_far_from_the_origin_keep_their_digits() -> None:
    """|a|^2 - 2 a.b + |b|^2 in float32 would leave nothing of a distance of 10^-3 at 10^4."""
    origin = np.full((1, 4), 1e4)
    others = origin + np.array([[0.001, 0, 0, 0], [0, 0.003, 0, 0], [0, 0, 0.009, 0]])
    assert neighbours.nearest(origin, others)[0] == pytest.approx(0.001, rel=1e-6)
    second = neighbours.kth_distances(np.concatenate([origin, others]), 2)[0]
    assert second == pytest.approx(0.003, rel=1e-6)


def test_crowded_points_beside_far_ones_are_told_apart_by_their_differences() -> None:
    """One far point makes the products' rounding larger than the crowd."""
    crowd = np.random.default_rng(8).normal(size=(999, 3)) * 1e-3
    vectors = np.concatenate([crowd, [[1e3, 0, 0]]])
    kth = neighbours.kth_distances(vectors, 2)
    np.testing.assert_allclose(kth, kth_in_tree(vectors, 2), rtol=1e-12)
    inside = [int((np.linalg.norm(vectors - point, axis=1) <= 1e-3).sum()) for point in vectors]
    counts = count_balls(vectors, vectors, np.full(1000, 1e-3))
    np.testing.assert_array_equal(counts, inside)
    assert 2_000 < sum(inside) < 998_000


@pytest.mark.parametrize("k", [1, 5])
def test_two_crowds_have_the_distances_of_a_tree(k: int) -> None:
    """The products' rounding exceeds all differences within a mode."""
    modes = np.repeat([[-5.0], [5.0]], 500, axis=0)
    noise, other = (np.random.default_rng(seed).normal(size=(1000, 16)) for seed in (10, 11))
    vectors, queries = modes + 1e-3 * noise, modes + 1e-3 * (noise + other)
    kth = neighbours.kth_distances(vectors, k)
    np.testing.assert_allclose(kth, kth_in_tree(vectors, k), rtol=1e-12)
    distances, indices = KDTree(vectors).query(queries)
    received = neighbours.nearest(queries, vectors)
    np.testing.assert_array_equal(received[1], indices)
    np.testing.assert_allclose(received[0], distances, rtol=1e-12)


def test_no_block_is_larger_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_SIZE", 1000)
    vectors = points(100, 4, 9)
    shapes = [block.squared.shape for block in neighbours._blocks(vectors, vectors)]
    assert shapes == [(10, 100)] * 10
