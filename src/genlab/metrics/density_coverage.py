"""Density and coverage: how densely samples lie among the real images, and how many they reach.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, section 3.
Around each real feature is a ball that reaches to its k-th nearest other real one. Density is the
mean number of balls that hold a generated feature, over k: 1 in expectation for equal
distributions, and more where samples crowd at the densest places. Coverage is the share of the
balls that hold a generated feature.
"""

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import neighbours
from genlab.settings.section import Section

NEEDS = Samples
MEASURES = {
    "density": Measure("ratio to the real images' own", "none", "Naeem et al. 2020"),
    "coverage": Measure("share of the real images", "higher", "Naeem et al. 2020"),
}


class Settings(Section):
    """Which neighbour a ball reaches to."""

    num_neighbours: int = Field(ge=1)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns both."""
    real, generated = samples.real_features, samples.generated_features
    number = settings.num_neighbours
    if len(real) <= number or not len(generated):
        raise Unavailable(f"{number} nearest neighbours need more than {number} images")
    radii = neighbours.kth_distances(real, number)
    distances, _ = neighbours.nearest(real, generated)
    return {
        "density": float(neighbours.count_balls(generated, real, radii).mean() / number),
        "coverage": float(np.mean(distances <= radii)),
    }
