"""Improved precision and recall: do samples lie among real images, and real images among samples?

Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS
2019, equations 1 and 2. The region of a set is made of balls, one around each of its features, that
reach to the k-th nearest other feature of the set. Precision is the share of the generated features
that lie in the region of the real ones, recall the reverse.
"""

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values
from genlab.numerics import neighbours
from genlab.settings.section import Section

NEEDS = Samples
REFERENCE = "Kynkäänniemi et al. 2019"
MEASURES = {
    "precision": Measure("share of the generated images", "higher", REFERENCE, (0, 1)),
    "recall": Measure("share of the real images", "higher", REFERENCE, (0, 1)),
}


class Settings(Section):
    """Which neighbour a ball reaches to."""

    num_neighbours: int = Field(ge=1)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns both shares."""
    return compute_parts(samples, settings, samples.whole())[0]


def compute_parts(samples: Samples, settings: Settings, kept: np.ndarray) -> list[Values]:
    """Returns both shares for each part of the generated images, bool (parts, m)."""
    real, generated = samples.real_features, samples.generated_features
    number = settings.num_neighbours
    if min(len(real), *kept.sum(axis=1)) <= number:
        raise Unavailable(f"{number} nearest neighbours need more than {number} images")
    radii = neighbours.kth_distances(real, number)
    radii_of_parts = neighbours.kth_distances_of_parts(generated, number, kept)
    (precise,) = _in_regions(generated, real, radii[np.newaxis])
    recalled = _in_regions(real, generated, radii_of_parts)
    return [
        {"precision": float(precise[part].mean()), "recall": float(found.mean())}
        for part, found in zip(kept, recalled, strict=True)
    ]


def _in_regions(features: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Returns which features lie in a ball, for each of several radii (r, n): bool (r, m)."""
    inside = np.zeros((len(radii), len(features)), bool)
    for pairs in neighbours.pairs_in_balls(features, centres, radii):
        for found, own in zip(inside, radii, strict=True):
            found[pairs.queries[pairs.distances <= own[pairs.centres]]] = True
    return inside
