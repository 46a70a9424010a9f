"""Moments of features and the Fréchet distance of two Gaussians, against closed forms and SciPy's matrix root."""

import numpy as np
import pytest
from scipy import linalg

from genlab.numerics import gaussians
from genlab.numerics.gaussians import Moments
from genlab.runtime.errors import InputError


def covariance(dim: int, seed: int) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(dim, dim))
    return factor @ factor.T + 0.1 * np.eye(dim)


def distance(mean_1: object, covariance_1: object, mean_2: object, covariance_2: object) -> float:
    arrays = (
        np.asarray(value, np.float64) for value in (mean_1, covariance_1, mean_2, covariance_2)
    )
    first_mean, first, second_mean, second = arrays
    return gaussians.frechet_distance(Moments(first_mean, first), Moments(second_mean, second))


# Distance


def test_equal_covariances_leave_the_squared_distance_of_the_means() -> None:
    matrix = covariance(6, 0)
    assert distance(np.zeros(6), matrix, [3.0, 0, 0, 0, 4, 0], matrix) == pytest.approx(
        25, rel=1e-9
    )


def test_diagonal_covariances_in_closed_form() -> None:
    found = distance(np.zeros(3), np.diag([1.0, 4.0, 9.0]), [1.0, 0, 0], np.diag([4.0, 4.0, 0.25]))
    assert found == pytest.approx(1 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2)


@pytest.mark.parametrize("dim", [1, 2, 16, 200])
def test_full_rank_agrees_with_the_root_of_the_product(dim: int) -> None:
    first, second = covariance(dim, 1), covariance(dim, 2)
    means = np.random.default_rng(3).normal(size=(2, dim))
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(
        first + second - 2 * linalg.sqrtm(first @ second).real
    )
    assert distance(means[0], first, means[1], second) == pytest.approx(expected, rel=1e-8)


def test_singular_covariances() -> None:
    """Two flat Gaussians on orthogonal axes: no transport can use their correlation."""
    first, second = np.diag([4.0, 0.0]), np.diag([0.0, 9.0])
    assert distance(np.zeros(2), first, np.zeros(2), second) == pytest.approx(13)
    assert distance(np.zeros(2), first, np.zeros(2), np.zeros((2, 2))) == pytest.approx(4)
    assert distance(np.zeros(2), np.zeros((2, 2)), [3, 4], np.zeros((2, 2))) == pytest.approx(25)


@pytest.mark.parametrize(("rank_1", "rank_2"), [(3, 3), (3, 40), (40, 3), (1, 1)])
def test_rank_deficient_covariances_in_closed_form(rank_1: int, rank_2: int) -> None:
    """Rotated diagonals: the distance is the sum over axes of (deviation_1 - deviation_2)^2, to nearly all digits."""
    rotation = linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))[0]
    deviations = np.zeros((2, 40))
    deviations[0, :rank_1] = np.linspace(1, 30, rank_1)
    deviations[1, :rank_2] = np.linspace(20, 2, rank_2)
    first, second = ((rotation * row**2) @ rotation.T for row in deviations)
    expected = np.square(deviations[0] - deviations[1]).sum()
    assert distance(np.zeros(40), first, np.zeros(40), second) == pytest.approx(expected, rel=1e-11)


def test_nearly_singular_covariances_keep_their_digits() -> None:
    """C and 4 C leave trace(C). A Cholesky factor exists, and roots of eigenvalues of 10^-24 would be mere rounding."""
    rotation = linalg.qr(np.random.default_rng(1).normal(size=(40, 40)))[0]
    first = (rotation * np.where(np.arange(40) < 20, 1.0, 1e-12)) @ rotation.T
    assert distance(np.zeros(40), first, np.zeros(40), 4 * first) == pytest.approx(
        np.trace(first), rel=1e-10
    )


def test_both_routes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        Moments(np.zeros(30), covariance(30, 4)),
        Moments(np.ones(30), covariance(30, 5)),
    )
    by_eigenvalues = gaussians.frechet_distance(first, second)
    monkeypatch.setattr(gaussians, "SMALLEST_PIVOT", 1.0)  # nothing is regular enough
    assert gaussians.frechet_distance(first, second) == pytest.approx(by_eigenvalues, rel=1e-11)


def test_identical_sets_have_distance_zero() -> None:
    features = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    assert gaussians.frechet_distance_of_features(features, features) == pytest.approx(0, abs=1e-9)
    few = features[:3]  # fewer than dimensions: singular
    assert gaussians.frechet_distance_of_features(few, few) == pytest.approx(0, abs=1e-9)


# Moments


def test_moments_are_float64_and_unbiased() -> None:
    mean, matrix = gaussians.moments(np.array([[1e4 + 1, 0.0], [1e4 + 3, 4.0]], np.float32))
    np.testing.assert_array_equal(mean, [10002, 2])
    np.testing.assert_array_equal(matrix, [[2, 4], [4, 8]])
    assert matrix.dtype == np.float64


def test_moments_far_from_the_origin_lose_nothing() -> None:
    """Sums of squares of 2^52 would leave no digit of a variance of 1."""
    features = np.random.default_rng(1).normal(size=(3000, 4)) + 2.0**26
    expected = np.cov(features - 2.0**26, rowvar=False)  # this subtraction is exact
    np.testing.assert_allclose(
        gaussians.moments(features).covariance, expected, rtol=1e-9, atol=1e-12
    )


def test_a_first_batch_far_from_the_others_loses_nothing() -> None:
    """One image at 0 and a thousand about 10^4."""
    accumulator = gaussians.Accumulator(1)
    accumulator.add(np.zeros((1, 1)))
    for _ in range(500):
        accumulator.add(np.array([[1e4 - 1], [1e4 + 1]]))
    expected = (1e8 * 1000 / 1001 + 1000) / 1000  # between the two groups, and within the second
    assert accumulator.moments().covariance[0, 0] == pytest.approx(expected, rel=1e-12)
    assert accumulator.moments().mean[0] == pytest.approx(1e7 / 1001, rel=1e-13)


@pytest.mark.parametrize("sizes", [[1, 1, 98], [100], [33, 33, 34], [99, 1]])
def test_batches_give_the_moments_of_the_whole(
    sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = np.random.default_rng(2).normal(5, 2, size=(100, 6)).astype(np.float32)
    monkeypatch.setattr(gaussians, "BLOCK_BYTES", 8 * 6 * 7)  # seven rows at a time
    accumulator = gaussians.Accumulator(6)
    for part in np.split(features, np.cumsum(sizes)[:-1]):
        accumulator.add(part)
    mean, matrix = accumulator.moments()
    wide = features.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(matrix, np.cov(wide, rowvar=False), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_moments_taken_on_the_way_do_not_change_later() -> None:
    accumulator = gaussians.Accumulator(1)
    accumulator.add(np.array([[1.0], [3.0]]))
    early = accumulator.moments()
    accumulator.add(np.array([[9.0]]))
    assert (early.mean[0], early.covariance[0, 0]) == (2, 2)
    assert accumulator.moments().mean[0] == pytest.approx(13 / 3)


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(
        InputError, match=r"^a covariance must be of at least 2 images. Received: 1. See"
    ):
        gaussians.moments(np.zeros((1, 3)))
