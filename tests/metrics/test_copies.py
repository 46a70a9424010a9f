"""Copies of train images, in the pixels and in the features; images that repeat each other."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from genlab.contract.evidence import Samples
from genlab.metrics import memorisation, pixel_copies, repetitions
from genlab.numerics import shifts

DIGITS = ndimage.zoom(load_digits().images * (255 / 16), (1, 2, 2), order=1)
DIGITS = np.pad(np.rint(np.clip(DIGITS, 0, 255)).astype(np.uint8), [(0, 0), (2, 2), (2, 2)])
DIGITS = DIGITS[np.random.default_rng(0).permutation(len(DIGITS)), ..., np.newaxis]
TRAIN, HELD_OUT = DIGITS[:1200], DIGITS[1200:1500]


def noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, deviation, images.shape)
    return np.rint(np.clip(images + noise, 0, 255)).astype(np.uint8)


def in_pixels(generated: np.ndarray, train: np.ndarray = TRAIN) -> float:
    features = np.zeros((len(generated), 1))
    classes = np.zeros(len(generated), np.int64)
    evidence = Samples(
        features, features, classes, classes, 0, generated_images=generated, train_images=train
    )
    return pixel_copies.compute(evidence)["pixel_copied_share"]


@pytest.mark.parametrize(
    ("generated", "low", "high"),
    [
        (HELD_OUT, 0, 0),
        (ndimage.gaussian_filter(HELD_OUT, (0, 0.7, 0.7, 0)), 0, 0.01),
        (TRAIN[:300], 1, 1),
        (np.roll(TRAIN[:300], 1, 1), 1, 1),
        (np.roll(TRAIN[:300], (2, -2), (1, 2)), 1, 1),
        (noisy(np.roll(TRAIN[:300], -1, 2), 4), 1, 1),
        (np.concatenate([HELD_OUT, np.roll(TRAIN[:100], 1, 2)]), 0.25, 0.25),
        (np.tile(HELD_OUT[:1], (300, 1, 1, 1)), 0, 0),
    ],
    ids=["held-out", "blurred", "copies", "moved", "twice", "noisy", "some", "repeated"],
)
def test_copies_are_found_up_to_a_shift_and_others_are_not(
    generated: np.ndarray, low: float, high: float
) -> None:
    assert low <= in_pixels(generated) <= high


def test_copies_are_found_where_train_holds_images_twice_or_is_small() -> None:
    assert in_pixels(TRAIN[:50], np.concatenate([TRAIN, TRAIN])) == 1
    assert in_pixels(TRAIN[:3], TRAIN[:3]) == 1
    assert in_pixels(HELD_OUT, TRAIN[:3]) == 0


@pytest.mark.parametrize("shape", [(20, 20, 1), (9, 17, 3)])
def test_distances_are_the_smallest_over_all_shifts(shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(2)
    queries, images = (generator.integers(256, size=(number, *shape)) for number in (5, 12))
    most = min(2, min(shape[:2]) // 8)
    inner = [slice(most, size - most) for size in shape[:2]]
    expected = []
    for query in queries:
        row = []
        for image in images:
            moved = (
                np.roll(image, (down, right), (0, 1))
                for down in range(-most, most + 1)
                for right in range(-most, most + 1)
            )
            row.append(min(np.linalg.norm((query - one)[*inner]) for one in moved))
        expected.append(sorted(row))
    found = shifts.distances(queries.astype(np.uint8), images.astype(np.uint8))
    np.testing.assert_allclose(np.sort(found, axis=1), expected, rtol=1e-5)


def test_spectra_are_those_of_the_fourier_transform_and_bear_shifts() -> None:
    images = np.random.default_rng(3).integers(256, size=(4, 12, 9, 2)).astype(np.uint8)
    whole = np.abs(np.fft.fft2(images, axes=(1, 2)))
    lowest = whole[:, :4][:, :, [-3, -2, -1, 0, 1, 2, 3]].reshape(4, -1)
    np.testing.assert_allclose(shifts.spectra(images), lowest, rtol=1e-4)
    moved = np.roll(images, (2, -1), (1, 2))
    np.testing.assert_allclose(shifts.spectra(moved), lowest, rtol=1e-4)


def test_repeated_share_by_hand() -> None:
    rows = HELD_OUT[[0, 1, 1, 1, 2]]
    features, classes = np.zeros((5, 1)), np.zeros(5, np.int64)
    evidence = Samples(features, features, classes, classes, 0, generated_images=rows)
    assert repetitions.compute(evidence) == {"repeated_share": pytest.approx(2 / 5)}


# Cells


FAR = np.array([9.0, 0, 0])


def of_two_classes(generated: np.ndarray, classes: Any) -> dict[str, float]:
    """Class 0 is a tenth as wide as class 1; both have 1,500 train images."""
    generator = np.random.default_rng(4)
    widths = np.repeat([0.1, 1.0], 1500)[:, np.newaxis]
    centres = np.repeat([0 * FAR, FAR], 1500, axis=0)
    train, real = (generator.normal(size=(3000, 3)) * widths + centres for _ in range(2))
    labels = np.repeat([0, 1], 1500)
    return memorisation.compute(Samples(real, generated, labels, np.asarray(classes), 2, train))


def test_images_of_one_narrow_class_are_no_copies() -> None:
    """In one cell the rank of class 0 alone would be 0.75, and 0.02 of its images copies."""
    narrow = np.random.default_rng(5).normal(size=(2000, 3)) * 0.1
    values = of_two_classes(narrow, np.zeros(2000, np.int64))
    assert values["nearest_train_rank"] == pytest.approx(0.5, abs=0.02)
    assert values["copied_share"] == pytest.approx(0.01, abs=0.005)


def test_copies_of_a_wide_class_are_found_though_another_class_is_narrower() -> None:
    """Nearer than any image of their class, but no nearer than those of class 0."""
    generator = np.random.default_rng(6)
    wide = generator.normal(size=(1500, 3)) + FAR
    train = np.random.default_rng(4).normal(size=(3000, 3))[1500:] + FAR
    near = np.concatenate([train[:150] + 1e-3, wide[150:]])
    values = of_two_classes(near, np.ones(1500, np.int64))
    assert values["copied_share"] == pytest.approx(0.1 + 0.9 * 0.01, abs=0.01)


def test_a_class_with_few_held_out_images_is_held_against_all() -> None:
    real, train = np.array([1.0, 2, 3, 4]), np.zeros(1)
    evidence = Samples(
        real[:, None], np.array([[2.5]]), np.zeros(4, int), np.ones(1, int), 2, train[:, None]
    )
    assert memorisation.compute(evidence)["nearest_train_rank"] == 0.5
