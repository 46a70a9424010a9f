"""Fréchet distance of each class by itself: real and generated images that a classifier of the domain calls the same.

A model that draws one class poorly, or always as the same picture, may hide it in the distance of all images. The
formula is in `genlab.numerics.gaussians`. A class that the model has lost is not in the mean: see how many classes are.

A class has few images, often fewer than features. Its covariances are then singular, which the formula bears without
any regularising; but the distance is too large by about a constant over the number of images. Nothing is taken off:
compare only numbers of equally many images, among models or with the floor of real images against real ones.
"""

import numpy as np
from pydantic import Field

from genlab.measurement.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import gaussians
from genlab.settings.params import Section

NEEDS = Samples
REFERENCE = "docs/metrics.md"
MEASURES = {
    "class_frechet_distance_mean": Measure("squared feature distance", "lower", REFERENCE),
    "class_frechet_distance_largest": Measure("squared feature distance", "lower", REFERENCE),
    "class_frechet_distance_classes": Measure("classes with enough images", "higher", REFERENCE),
}


class Settings(Section):
    """How many real and how many generated images a class must have; one with fewer is left out."""

    min_images: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns mean and largest over the classes that have enough images, and how many these are.

    Raises:
        Unavailable: The images have no classes, or no class has enough images.
    """
    if samples.num_classes < 2:
        raise Unavailable("the images have no classes")
    distances = by_class(samples, settings.min_images)
    if not distances:
        raise Unavailable(f"no class has {settings.min_images} real and generated images")
    values = list(distances.values())
    return {
        "class_frechet_distance_mean": float(np.mean(values)),
        "class_frechet_distance_largest": max(values),
        "class_frechet_distance_classes": float(len(values)),
    }


def by_class(samples: Samples, min_images: int) -> dict[int, float]:
    """Returns the distance of each class that has at least `min_images` real and generated images."""
    sets = (
        (samples.real_features, samples.real_classes),
        (samples.generated_features, samples.generated_classes),
    )
    parts = {
        label: [features[classes == label] for features, classes in sets]
        for label in range(samples.num_classes)
    }
    return {
        label: gaussians.frechet_distance_of_features(*features)
        for label, features in parts.items()
        if min(map(len, features)) >= min_images
    }
