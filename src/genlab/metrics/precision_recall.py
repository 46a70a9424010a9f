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
MEASURES = {
    "precision": Measure("share of the generated images", "higher", "Kynkäänniemi et al. 2019"),
    "recall": Measure("share of the real images", "higher", "Kynkäänniemi et al. 2019"),
}


class Settings(Section):
    """Which neighbour a ball reaches to."""

    num_neighbours: int = Field(ge=1)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns both shares."""
    real, generated = samples.real_features, samples.generated_features
    number = settings.num_neighbours
    if min(len(real), len(generated)) <= number:
        raise Unavailable(f"{number} nearest neighbours need more than {number} images")
    return {"precision": _share(generated, real, number), "recall": _share(real, generated, number)}


def _share(features: np.ndarray, centres: np.ndarray, num_neighbours: int) -> float:
    """Returns the share of the features (n, feature_dim) that lie in the centres' region."""
    radii = neighbours.kth_distances(centres, num_neighbours)
    return float(np.mean(neighbours.count_balls(features, centres, radii) > 0))
