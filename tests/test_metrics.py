"""The metrics' formulas, against numbers by hand or by another route; and what every file in `metrics/` offers."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import linalg

from genlab import measures, plugins
from genlab.measures import EvidenceBound, Reconstructions, Samples
from genlab.metrics import class_histogram, frechet_distance, negative_elbo, reconstruction_error

NAMES = plugins.names("metrics")


def samples(real_classes: list[int], generated_classes: list[int], num_classes: int) -> Samples:
    generator = np.random.default_rng(0)
    real, generated = (generator.normal(size=(len(classes), 3)) for classes in (real_classes, generated_classes))
    return Samples(real, generated, np.array(real_classes), np.array(generated_classes), num_classes)


EVIDENCE: dict[type, Any] = {
    Samples: samples([0, 1, 0, 1], [1, 1, 0, 1], 2),
    Reconstructions: Reconstructions(np.zeros((2, 2, 2, 1), np.float32), np.full((2, 2, 2, 1), 0.1, np.float32)),
    EvidenceBound: EvidenceBound(np.array([2.0, 4.0], np.float32), np.array([[0.5, 0.0], [0.5, 1.0]], np.float32)),
}

# Contract


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_says_what_it_needs_and_what_its_values_mean(name: str) -> None:
    module = plugins.find("metrics", name, "tests")
    assert module.NEEDS in measures.Evidence.__args__
    values = module.compute(EVIDENCE[module.NEEDS])
    assert set(values) == set(module.MEASURES)
    assert all(type(value) is float and math.isfinite(value) for value in values.values())
    for measure in module.MEASURES.values():
        assert measure.unit
        assert measure.direction in ("lower", "higher", "none")


def test_no_value_has_two_meanings() -> None:
    modules = [plugins.find("metrics", name, "tests") for name in NAMES]
    pairs = [(module.NEEDS, name) for module in modules for name in module.MEASURES]
    assert len(pairs) == len(set(pairs))


# Fréchet distance


def covariance(dim: int, seed: int) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(dim, dim))
    return factor @ factor.T + 0.1 * np.eye(dim)


def test_equal_covariances_leave_the_squared_distance_of_the_means() -> None:
    matrix = covariance(6, 0)
    distance = frechet_distance.between_gaussians(np.zeros(6), matrix, np.array([3.0, 0, 0, 0, 4, 0]), matrix)
    assert distance == pytest.approx(25, rel=1e-9)


def test_diagonal_covariances_in_closed_form() -> None:
    first, second = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 0.25])
    distance = frechet_distance.between_gaussians(np.zeros(3), first, np.array([1.0, 0, 0]), second)
    assert distance == pytest.approx(1 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2)


@pytest.mark.parametrize("dim", [1, 2, 16])
def test_full_rank_agrees_with_the_root_of_the_product(dim: int) -> None:
    first, second = covariance(dim, 1), covariance(dim, 2)
    means = np.random.default_rng(3).normal(size=(2, dim))
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(first + second - 2 * linalg.sqrtm(first @ second).real)
    assert frechet_distance.between_gaussians(means[0], first, means[1], second) == pytest.approx(expected, rel=1e-8)


def test_singular_covariances() -> None:
    """Two flat Gaussians on orthogonal axes: no transport can use their correlation."""
    first, second = np.diag([4.0, 0.0]), np.diag([0.0, 9.0])
    assert frechet_distance.between_gaussians(np.zeros(2), first, np.zeros(2), second) == pytest.approx(13)
    assert frechet_distance.between_gaussians(np.zeros(2), first, np.zeros(2), np.zeros((2, 2))) == pytest.approx(4)


def test_identical_sets_have_distance_zero() -> None:
    features = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    assert frechet_distance.between_features(features, features) == pytest.approx(0, abs=1e-9)
    few = features[:3]  # fewer than dimensions: singular
    assert frechet_distance.between_features(few, few) == pytest.approx(0, abs=1e-6)


def test_moments_are_float64_and_unbiased() -> None:
    mean, matrix = frechet_distance.moments(np.array([[1e4 + 1, 0.0], [1e4 + 3, 4.0]], np.float32))
    np.testing.assert_array_equal(mean, [10002, 2])
    np.testing.assert_array_equal(matrix, [[2, 4], [4, 8]])
    assert matrix.dtype == np.float64


def test_distance_of_two_sets_by_hand() -> None:
    evidence = Samples(np.array([[0.0], [2.0]]), np.array([[5.0], [5.0]]), np.zeros(2, int), np.zeros(2, int), 0)
    assert frechet_distance.compute(evidence) == {
        "frechet_distance": pytest.approx((5 - 1) ** 2 + 2)
    }  # variance 2, and 0


# Reconstruction error


def test_mse_and_psnr_by_hand() -> None:
    images = np.zeros((2, 1, 2, 1), np.float32)
    rebuilt = np.array([[0.1, 0.1], [0.0, 1.0]], np.float32).reshape(2, 1, 2, 1)
    values = reconstruction_error.compute(Reconstructions(images, rebuilt))
    assert values["mse"] == pytest.approx((0.01 + 0.5) / 2)
    assert values["psnr"] == pytest.approx(
        (20 + 10 * math.log10(2)) / 2
    )  # the mean of each image's, not that of the mean


def test_perfect_reconstruction_is_zero_and_100_db() -> None:
    images = np.ones((1, 2, 2, 3), np.float32)
    assert reconstruction_error.compute(Reconstructions(images, images)) == {"mse": 0, "psnr": pytest.approx(100)}


# Classes


def test_class_shares_by_hand() -> None:
    values = class_histogram.compute(samples([0] * 5 + [1] * 3 + [2] * 2, [0] * 8 + [1] * 3 + [2] * 9, 3))
    assert values["smallest_class_share"] == pytest.approx(0.15 / 0.3)
    assert values["largest_class_share"] == pytest.approx(0.45 / 0.2)
    assert values["class_histogram_distance"] == pytest.approx((0.1 + 0.15 + 0.25) / 2)


def test_lost_class_has_share_zero_and_absent_class_counts_in_the_distance_only() -> None:
    values = class_histogram.compute(samples([0, 1], [0, 2], 4))
    assert values == pytest.approx(
        {"smallest_class_share": 0, "largest_class_share": 1, "class_histogram_distance": 0.5}
    )


def test_images_without_classes_have_no_shares() -> None:
    assert class_histogram.compute(samples([0, 0], [0, 0], 0)) == {}


# Bound


def test_negative_elbo_by_hand() -> None:
    values = negative_elbo.compute(EVIDENCE[EvidenceBound])
    assert values == pytest.approx({"negative_elbo": 4.0, "reconstruction_loss": 3.0, "kl": 1.0})
