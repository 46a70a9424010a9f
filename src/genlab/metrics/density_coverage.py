"""Density and coverage: how densely samples lie among the real images, and how many they reach.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, section 3.
Around each real feature is a ball that reaches to its k-th nearest other real one. Density is the
mean number of balls that hold a generated feature, over k: 1 in expectation for equal
distributions, and more where samples crowd at the densest places. Coverage is the share of the
balls that hold a generated feature.
"""

import math

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import neighbours
from genlab.settings.section import Section

NEEDS = Samples
MEASURES = {
    "density": Measure("ratio to the real images' own", "none", "Naeem et al. 2020", (0, math.inf)),
    "coverage": Measure("share of the real images", "higher", "Naeem et al. 2020", (0, 1)),
}


class Settings(Section):
    """Which neighbour a ball reaches to."""

    num_neighbours: int = Field(ge=1)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns both."""
    return compute_parts(samples, settings, samples.whole())[0]


def compute_parts(samples: Samples, settings: Settings, kept: np.ndarray) -> list[Values]:
    """Returns both for each part of the generated images, bool (parts, m)."""
    real, generated = samples.real_features, samples.generated_features
    number = settings.num_neighbours
    if len(real) <= number or not kept.any(axis=1).all():
        raise Unavailable(f"{number} nearest neighbours need more than {number} images")
    radii = neighbours.kth_distances(real, number)
    counts, reached = np.zeros(len(generated), np.int64), np.zeros((len(kept), len(real)), bool)
    for pairs in neighbours.pairs_in_balls(generated, real, radii):
        counts += np.bincount(pairs.queries, minlength=len(generated))
        for found, part in zip(reached, kept, strict=True):
            found[pairs.centres[part[pairs.queries]]] = True
    return [
        {"density": float(counts[part].mean() / number), "coverage": float(found.mean())}
        for part, found in zip(kept, reached, strict=True)
    ]
