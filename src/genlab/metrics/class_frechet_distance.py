"""Fréchet distance of each class: real and generated images that a classifier calls the same.

The distance of all images may hide a class that the model draws poorly. A lost class is not in the
mean, so the number of classes stands beside it. A class often has fewer images than features: the
bias is then large, so compare only numbers of equally many images.
"""

import math

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import gaussians
from genlab.settings.section import Section

NEEDS = Samples
UNIT, REFERENCE = "squared feature distance", "docs/metrics.md"
MEASURES = {
    "class_frechet_distance_mean": Measure(UNIT, "lower", REFERENCE, (0, math.inf)),
    "class_frechet_distance_largest": Measure(UNIT, "lower", REFERENCE, (0, math.inf)),
    "class_frechet_distance_classes": Measure(
        "classes with enough images", "higher", REFERENCE, None
    ),
}


class Settings(Section):
    """How many real and how many generated images a class must have to count."""

    min_images: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns mean and largest over the classes with enough images, and how many these are."""
    samples.check_classes()
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
    """Returns the distance of each class with at least `min_images` real and generated images."""
    distances = {}
    for label in range(samples.num_classes):
        real = samples.real_features[samples.real_classes == label]
        generated = samples.generated_features[samples.generated_classes == label]
        if min(len(real), len(generated)) >= min_images:
            distances[label] = gaussians.frechet_distance_of_features(real, generated)
    return distances
