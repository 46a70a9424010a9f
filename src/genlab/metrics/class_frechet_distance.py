"""Fréchet distance of each class: real and generated images that a classifier calls the same.

A model that draws one class poorly, or always as the same picture, may hide it in the distance of
all images. The formula is in `genlab.numerics.gaussians`. A class that the model has lost is not in
the mean, so the number of classes stands beside it.

A class often has fewer images than features. The formula works on its singular covariances, but the
distance is too large by about a constant over the number of images: compare only numbers of equally
many images, among models or with the floor.
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
    """How many real and how many generated images a class must have to count."""

    min_images: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns mean and largest over the classes with enough images, and how many these are.

    Raises:
        Unavailable: The images have no classes, or no class has enough images.
    """
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
