"""Moments of features and the Fréchet distance, against closed forms and SciPy's matrix root."""

from typing import Any

import numpy as np
import pytest
from scipy import linalg

from genlab.numerics import gaussians
from genlab.numerics.gaussians import Moments
from genlab.runtime.errors import InputError


def covariance(dim: int, seed: int) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(dim, dim))
    return factor @ factor.T + 0.1 * np.eye(dim)


def rotation(dim: int, seed: int) -> np.ndarray:
    return linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def distance(mean_1: Any, covariance_1: Any, mean_2: Any, covariance_2: Any) -> float:
    first = Moments(np.asarray(mean_1, float), np.asarray(covariance_1, float))
    second = Moments(np.asarray(mean_2, float), np.asarray(covariance_2, float))
    return gaussians.frechet_distance(first, second)


# Distance


@pytest.mark.parametrize(
    ("means", "covariances", "expected"),
    [
        (([0] * 6, [3, 0, 0, 0, 4, 0]), (covariance(6, 0),) * 2, 25),
        (
            ([0] * 3, [1, 0, 0]),
            (np.diag([1, 4, 9]), np.diag([4, 4, 0.25])),
            1 + (1 - 2) ** 2 + (3 - 0.5) ** 2,
        ),
        (([0, 0], [0, 0]), (np.diag([4, 0]), np.diag([0, 9])), 4 + 9),
        (([0, 0], [0, 0]), (np.diag([4, 0]), np.zeros((2, 2))), 4),
        (([0, 0], [3, 4]), (np.zeros((2, 2)), np.zeros((2, 2))), 25),
    ],
    ids=["equal", "diagonal", "orthogonal", "point and line", "points"],
)
def test_closed_forms(means: Any, covariances: Any, expected: float) -> None:
    found = distance(means[0], covariances[0], means[1], covariances[1])
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 16, 200])
def test_full_rank_agrees_with_the_root_of_the_product(dim: int) -> None:
    first, second = covariance(dim, 1), covariance(dim, 2)
    means = np.random.default_rng(3).normal(size=(2, dim))
    root = linalg.sqrtm(first @ second).real
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(first + second - 2 * root)
    assert distance(means[0], first, means[1], second) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("rank_1", "rank_2"), [(3, 3), (3, 40), (40, 3), (1, 1)])
def test_rank_deficient_covariances_in_closed_form(rank_1: int, rank_2: int) -> None:
    """Rotated diagonals: the sum over axes of (deviation_1 - deviation_2)^2."""
    axes, deviations = rotation(40, 0), np.zeros((2, 40))
    deviations[0, :rank_1] = np.linspace(1, 30, rank_1)
    deviations[1, :rank_2] = np.linspace(20, 2, rank_2)
    first, second = ((axes * row**2) @ axes.T for row in deviations)
    expected = np.square(deviations[0] - deviations[1]).sum()
    assert distance(np.zeros(40), first, np.zeros(40), second) == pytest.approx(expected, rel=1e-11)


def test_nearly_singular_covariances_keep_their_digits() -> None:
    """C and 4 C leave trace(C). A Cholesky factor exists, but roots of 10^-24 are mere rounding."""
    axes = rotation(40, 1)
    first = (axes * np.where(np.arange(40) < 20, 1.0, 1e-12)) @ axes.T
    found = distance(np.zeros(40), first, np.zeros(40), 4 * first)
    assert found == pytest.approx(np.trace(first), rel=1e-10)


@pytest.mark.parametrize("number", [50, 3], ids=["regular", "singular"])
def test_identical_sets_have_distance_zero(number: int) -> None:
    features = np.random.default_rng(0).normal(size=(number, 8)).astype(np.float32)
    found = gaussians.frechet_distance_of_features(features, features)
    assert found == pytest.approx(0, abs=1e-9)


# Moments


def test_moments_far_from_the_origin_lose_nothing() -> None:
    """Sums of squares of 2^52 would leave no digit of a variance of 1."""
    features = np.random.default_rng(1).normal(size=(3000, 4)) + 2.0**26
    expected = np.cov(features - 2.0**26, rowvar=False)  # this subtraction is exact
    found = gaussians.moments(features).covariance
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_first_batch_far_from_the_others_loses_nothing() -> None:
    """One image at 0 and a thousand about 10^4."""
    accumulator = gaussians.Accumulator(1)
    accumulator.add(np.zeros((1, 1)))
    for _ in range(500):
        accumulator.add(np.array([[1e4 - 1], [1e4 + 1]]))
    expected = (1e8 * 1000 / 1001 + 1000) / 1000  # between the groups, and within the second
    mean, matrix = accumulator.moments()
    assert matrix[0, 0] == pytest.approx(expected, rel=1e-12)
    assert mean[0] == pytest.approx(1e7 / 1001, rel=1e-13)


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
    assert matrix.dtype == np.float64
    wide = features.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(matrix, np.cov(wide, rowvar=False), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_moments_on_the_way_do_not_change_later() -> None:
    accumulator = gaussians.Accumulator(1)
    accumulator.add(np.array([[1.0], [3.0]]))
    early = accumulator.moments()
    accumulator.add(np.array([[9.0]]))
    assert (early.mean[0], early.covariance[0, 0]) == (2, 2)
    assert accumulator.moments().mean[0] == pytest.approx(13 / 3)


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(InputError) as error:
        gaussians.moments(np.zeros((1, 3)))
    assert error.value.expected == "a covariance must be of at least 2 images"
    assert error.value.received == "1"
