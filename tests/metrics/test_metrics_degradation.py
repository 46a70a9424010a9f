"""Worse pictures have worse numbers: digits under blur, noise, lost classes and JPEG, on features without learning."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from genlab.measurement.evidence import Samples
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
    real, generated = (COMPONENTS.transform(each.reshape(len(each), -1)) for each in (REAL, images))
    classes = DIGITS.target[::2], np.zeros(len(images), np.int64)
    return Samples(real, generated, *classes, num_classes=10)


LADDERS = {
    blurred: [0, 0.35, 0.5, 0.7],
    noisy: [0, 0.2, 0.4, 0.8],
    without_classes: [0, 2, 5, 8],
    compressed: [0, 80, 95, 99],
}


@pytest.mark.parametrize("degrade", LADDERS)
def test_distances_grow_step_by_step(degrade: Callable[[float], np.ndarray]) -> None:
    found = []
    for level in LADDERS[degrade]:
        samples = evidence(degrade(level))
        values = frechet_distance.compute(samples, frechet_distance.Settings(num_sizes=5))
        values |= kernel_distance.compute(
            samples, kernel_distance.Settings(num_subsets=20, subset_size=150)
        )
        found.append(list(values.values()))
    assert (np.diff(found, axis=0) > 0).all(), found


@pytest.mark.parametrize(
    ("degrade", "falls", "stays"),
    [
        (noisy, "precision", None),
        (blurred, "recall", None),
        (without_classes, "coverage", "precision"),
    ],
)
def test_the_right_number_falls(
    degrade: Callable[[float], np.ndarray], falls: str, stays: str | None
) -> None:
    """Noise leaves the real images' region, blur keeps to its middle, and lost classes leave the others as good."""
    found = []
    for level in LADDERS[degrade]:
        samples = evidence(degrade(level))
        values = precision_recall.compute(samples, precision_recall.Settings(num_neighbours=3))
        found.append(
            values | density_coverage.compute(samples, density_coverage.Settings(num_neighbours=5))
        )
    assert (np.diff([values[falls] for values in found]) < 0).all(), found
    if stays:
        assert min(values[stays] for values in found) > 0.95 * found[0][stays]


def test_one_poor_class_shows_in_the_distance_by_class() -> None:
    settings = class_frechet_distance.Settings(min_images=50)
    found = []
    for level in (0, 0.4):
        images = np.where((LABELS == 3)[:, None, None], noisy(level), OTHERS)
        samples = evidence(images)
        samples = Samples(
            samples.real_features,
            samples.generated_features,
            samples.real_classes,
            LABELS,
            samples.num_classes,
        )
        found.append(
            (
                class_frechet_distance.compute(samples, settings),
                class_frechet_distance.by_class(samples, 50),
            )
        )
    (good, _), (poor, by_class) = found
    assert (
        poor["class_frechet_distance_largest"]
        == by_class[3]
        > 1.5 * good["class_frechet_distance_largest"]
    )
    assert good["class_frechet_distance_classes"] == 10
