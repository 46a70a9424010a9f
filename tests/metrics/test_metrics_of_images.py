"""Reconstruction error and structural similarity, by hand and against loops."""

import math

import numpy as np
import pytest
from scipy import ndimage

from genlab.contract.evidence import Reconstructions
from genlab.metrics import reconstruction_error, structural_similarity


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    (values,) = structural_similarity.compute(Reconstructions(first, second)).values()
    return values


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random(shape)
    return ndimage.gaussian_filter(noise, 2, axes=(1, 2)).astype(np.float32)


def test_errors_of_each_image_by_hand() -> None:
    """The last image is perfect: 100 dB."""
    images = np.zeros((3, 1, 2, 1), np.float32)
    rebuilt = np.array([[0.1, 0.1], [0.0, 1.0], [0, 0]], np.float32).reshape(3, 1, 2, 1)
    values = reconstruction_error.compute(Reconstructions(images, rebuilt))
    np.testing.assert_allclose(values["mse"], [0.01, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(values["mae"], [0.1, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(values["psnr"], [20, 10 * math.log10(2), 100], rtol=1e-6)


def test_similarity_of_equal_of_plain_and_of_negative_images() -> None:
    """Plain images have no structure: the second factor is 1, the first is of their grey values."""
    images = smooth((3, 20, 16, 3), 0)
    np.testing.assert_allclose(similarity(images, images), np.ones(3), rtol=1e-12)
    dark, bright = np.full((1, 12, 12, 1), 0.2), np.full((1, 12, 12, 1), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert similarity(dark, bright) == pytest.approx(expected)
    pattern = 0.5 + 0.4 * (np.indices((16, 16)).sum(axis=0) % 2 - 0.5)[None, :, :, None]
    assert similarity(pattern, 1 - pattern)[0] == pytest.approx(-1, abs=0.05)


def window_loop(first: np.ndarray, second: np.ndarray) -> float:
    """The paper's equation 13 over every window of 11 by 11 pixels, written out."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    height, width, channels = first.shape
    for top, left, channel in np.ndindex(height - 10, width - 10, channels):
        window = np.s_[top : top + 11, left : left + 11, channel]
        a, b = first[window], second[window]
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        var_a, var_b = ((weights * (v - m) ** 2).sum() for v, m in ((a, mean_a), (b, mean_b)))
        covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
        numerator = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
        values.append(numerator / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)))
    return float(np.mean(values))


@pytest.mark.parametrize("shape", [(2, 14, 17, 1), (2, 11, 11, 3), (1, 8, 6, 1)])
def test_similarity_agrees_with_a_loop_over_windows(shape: tuple[int, ...]) -> None:
    """A small picture is as if it were laid out with its mirror images."""
    pair = smooth(shape, 1).astype(np.float64), smooth(shape, 2).astype(np.float64)
    found = similarity(*pair)
    if min(shape[1:3]) < 11:
        margins = ((0, 0), (5, 5), (5, 5), (0, 0))
        pair = tuple(np.pad(images, margins, mode="symmetric") for images in pair)
    expected = [window_loop(first, second) for first, second in zip(*pair, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_blocks_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = smooth((7, 12, 12, 1), 5), smooth((7, 12, 12, 1), 6)
    whole = similarity(first, second)
    monkeypatch.setattr(structural_similarity, "BLOCK_SIZE", 2 * 144)
    np.testing.assert_array_equal(similarity(first, second), whole)
    np.testing.assert_array_equal(similarity(first[3:4], second[3:4]), whole[3:4])


@pytest.mark.parametrize("is_noise", [True, False])
def test_blur_and_noise_make_worse(is_noise: bool) -> None:
    images = smooth((4, 32, 32, 1), 7)
    images = (images - images.min()) / np.ptp(images)
    noise = np.random.default_rng(8).normal(size=images.shape)
    errors, similarities = [], []
    for level in (0.1, 0.5, 1.0, 2.0):
        blurred = ndimage.gaussian_filter(images, level, axes=(1, 2))
        worse = images + level * noise if is_noise else blurred
        values = reconstruction_error.compute(Reconstructions(images, worse))
        errors.append(values["mse"].mean())
        similarities.append(similarity(images, worse).mean())
    assert (np.diff(errors) > 0).all()
    assert (np.diff(similarities) < 0).all()
