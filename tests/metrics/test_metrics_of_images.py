"""Reconstruction error and structural similarity, by hand and against loops."""

import math

import numpy as np
import pytest
from scipy import ndimage

from genlab.measurement.evidence import Reconstructions
from genlab.metrics import reconstruction_error, structural_similarity


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    found = structural_similarity.compute(Reconstructions(first, second))["structural_similarity"]
    assert isinstance(found, np.ndarray)
    return found


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random(shape)
    return ndimage.gaussian_filter(noise, 2, axes=(1, 2)).astype(np.float32)


# Error


def test_errors_of_each_image_by_hand() -> None:
    images = np.zeros((2, 1, 2, 1), np.float32)
    rebuilt = np.array([[0.1, 0.1], [0.0, 1.0]], np.float32).reshape(2, 1, 2, 1)
    values = reconstruction_error.compute(Reconstructions(images, rebuilt))
    np.testing.assert_allclose(values["mse"], [0.01, 0.5], rtol=1e-6)
    np.testing.assert_allclose(values["mae"], [0.1, 0.5], rtol=1e-6)
    np.testing.assert_allclose(values["psnr"], [20, 10 * math.log10(2)], rtol=1e-6)


def test_perfect_reconstruction_is_zero_and_100_db() -> None:
    images = np.ones((1, 2, 2, 3), np.float32)
    assert reconstruction_error.compute(Reconstructions(images, images)) == {
        "mse": 0,
        "mae": 0,
        "psnr": 100,
    }


# Similarity


def test_similarity_of_equal_and_of_plain_images_by_hand() -> None:
    """Plain images have no structure, so the second factor is 1 and the first one is of their grey values."""
    images = smooth((3, 20, 16, 3), 0)
    np.testing.assert_allclose(similarity(images, images), np.ones(3), rtol=1e-12)
    dark, bright = np.full((1, 12, 12, 1), 0.2), np.full((1, 12, 12, 1), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert similarity(dark, bright) == pytest.approx(expected)


def test_the_negative_of_a_grey_pattern_is_dissimilar() -> None:
    pattern = 0.5 + 0.4 * (np.indices((16, 16)).sum(axis=0) % 2 - 0.5)[None, :, :, None]
    assert similarity(pattern, 1 - pattern)[0] == pytest.approx(-1, abs=0.05)


def window_loop(first: np.ndarray, second: np.ndarray) -> float:
    """The paper's equation 13 over every window of 11 by 11 pixels, written out."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(first.shape[0] - 10):
        for left in range(first.shape[1] - 10):
            for channel in range(first.shape[2]):
                a, b = (
                    image[top : top + 11, left : left + 11, channel] for image in (first, second)
                )
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a, var_b = (
                    (weights * (a - mean_a) ** 2).sum(),
                    (weights * (b - mean_b) ** 2).sum(),
                )
                covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
                top_half = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
                values.append(top_half / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)))
    return float(np.mean(values))


@pytest.mark.parametrize("shape", [(2, 14, 17, 1), (2, 11, 11, 3)])
def test_similarity_agrees_with_a_loop_over_windows(shape: tuple[int, ...]) -> None:
    first, second = smooth(shape, 1).astype(np.float64), smooth(shape, 2).astype(np.float64)
    expected = [window_loop(*pair) for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(similarity(first, second), expected, rtol=1e-9)


def test_small_images_are_mirrored_at_their_borders() -> None:
    """As if the picture were laid out with its mirror images, and windows set about its own pixels."""
    first, second = (
        smooth((1, 8, 6, 1), 3).astype(np.float64),
        smooth((1, 8, 6, 1), 4).astype(np.float64),
    )
    mirrored = (
        np.pad(images[0], ((5, 5), (5, 5), (0, 0)), mode="symmetric") for images in (first, second)
    )
    assert similarity(first, second) == pytest.approx(window_loop(*mirrored), rel=1e-9)


def test_blocks_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = smooth((7, 12, 12, 1), 5), smooth((7, 12, 12, 1), 6)
    whole = similarity(first, second)
    monkeypatch.setattr(structural_similarity, "BLOCK_SIZE", 2 * 144)
    np.testing.assert_array_equal(similarity(first, second), whole)
    np.testing.assert_array_equal(similarity(first[3:4], second[3:4]), whole[3:4])


def test_blur_and_noise_make_worse() -> None:
    images = smooth((4, 32, 32, 1), 7)
    images = (images - images.min()) / (images.max() - images.min())
    noise = np.random.default_rng(8).normal(size=images.shape)
    for degrade in (
        lambda level: ndimage.gaussian_filter(images, level, axes=(1, 2)),
        lambda level: images + level * noise,
    ):
        errors, similarities = [], []
        for level in (0.1, 0.5, 1.0, 2.0):
            evidence = Reconstructions(images, degrade(level))
            errors.append(np.mean(reconstruction_error.compute(evidence)["mse"]))
            similarities.append(similarity(images, evidence.reconstructions).mean())
        assert errors == sorted(errors)
        assert similarities == sorted(similarities, reverse=True)
        assert len(set(errors)) == len(set(similarities)) == 4
