"""Worse pictures have worse numbers: digits made worse step by step, on PCA features."""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from genlab.contract.evidence import Samples
from genlab.metrics import (
    class_frechet_distance,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)

DIGITS = load_digits()
IMAGES = DIGITS.images / 16
REAL, OTHERS, LABELS = IMAGES[::2], IMAGES[1::2], DIGITS.target[1::2]
COMPONENTS = PCA(16, random_state=0).fit(REAL.reshape(len(REAL), -1))
Degrade = Callable[[float], np.ndarray]


def blurred(level: float) -> np.ndarray:
    return ndimage.gaussian_filter(OTHERS, level, axes=(1, 2)) if level else OTHERS


def noisy(level: float) -> np.ndarray:
    return np.clip(OTHERS + level * np.random.default_rng(0).normal(size=OTHERS.shape), 0, 1)


def without_classes(level: float) -> np.ndarray:
    return OTHERS[10 - level > LABELS]


def compressed(level: float) -> np.ndarray:
    """Each picture is one block of the codec, all in one column."""
    if not level:
        return OTHERS
    column, file = np.rint(OTHERS * 255).astype(np.uint8).reshape(-1, 8), io.BytesIO()
    Image.fromarray(column).save(file, format="JPEG", quality=100 - int(level))
    return np.asarray(Image.open(file)).reshape(OTHERS.shape) / 255


def evidence(images: np.ndarray) -> Samples:
    real, generated = (COMPONENTS.transform(part.reshape(len(part), -1)) for part in (REAL, images))
    return Samples(real, generated, DIGITS.target[::2], np.zeros(len(images), np.int64), 10)


LADDERS = {
    blurred: [0, 0.35, 0.5, 0.7],
    noisy: [0, 0.2, 0.4, 0.8],
    without_classes: [0, 2, 5, 8],
    compressed: [0, 80, 95, 99],
}


@pytest.mark.parametrize("degrade", LADDERS)
def test_distances_grow_step_by_step(degrade: Degrade) -> None:
    kernel = kernel_distance.Settings(num_subsets=20, subset_size=150)
    steps = []
    for level in LADDERS[degrade]:
        samples = evidence(degrade(level))
        values = frechet_distance.compute(samples, frechet_distance.Settings(num_sizes=5))
        values |= kernel_distance.compute(samples, kernel)
        steps.append(list(values.values()))
    assert (np.diff(steps, axis=0) > 0).all(), steps


@pytest.mark.parametrize(
    ("degrade", "falls", "stays"),
    [
        (noisy, "precision", None),
        (blurred, "recall", None),
        (without_classes, "coverage", "precision"),
    ],
)
def test_the_right_number_falls(degrade: Degrade, falls: str, stays: str | None) -> None:
    """Noise leaves the real region, blur keeps to its middle, lost classes leave the others."""
    steps = []
    for level in LADDERS[degrade]:
        samples = evidence(degrade(level))
        values = precision_recall.compute(samples, precision_recall.Settings(num_neighbours=3))
        coverage = density_coverage.Settings(num_neighbours=5)
        steps.append(values | density_coverage.compute(samples, coverage))
    assert (np.diff([values[falls] for values in steps]) < 0).all(), steps
    if stays:
        assert min(values[stays] for values in steps) > 0.95 * steps[0][stays]


def test_one_poor_class_shows_in_the_distance_by_class() -> None:
    settings, largest = class_frechet_distance.Settings(min_images=50), []
    for level in (0, 0.4):
        images = np.where((LABELS == 3)[:, None, None], noisy(level), OTHERS)
        samples = dataclasses.replace(evidence(images), generated_classes=LABELS)
        values = class_frechet_distance.compute(samples, settings)
        assert values["class_frechet_distance_classes"] == 10
        largest.append(values["class_frechet_distance_largest"])
    assert largest[1] > 1.5 * largest[0]
    assert largest[1] == class_frechet_distance.by_class(samples, 50)[3]
