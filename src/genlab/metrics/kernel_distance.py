"""Kernel distance between real and generated images: the squared maximum mean discrepancy of their features.

Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4 (KID), with the polynomial kernel

    k(a, b) = (a.b / feature_dim + 1)^3

and the unbiased estimate: means of k over pairs of different real images, plus the same of generated ones, less twice
the mean over all pairs of a real and a generated image. It is 0 in expectation where both are of one distribution,
whatever the number of images, and may be negative.
"""

import numpy as np
from pydantic import Field

from genlab.measurement.evidence import Measure, Samples, Unavailable, Values, draw
from genlab.settings import seeds
from genlab.settings.params import Section

NEEDS = Samples
MEASURES = {
    "kernel_distance": Measure("squared maximum mean discrepancy", "lower", "Binkowski et al. 2018")
}


class Settings(Section):
    """Subsets that are drawn, and images in each; at most all images of the smaller set."""

    num_subsets: int = Field(ge=1)
    subset_size: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns the mean of the estimates of random subsets, each without replacement.

    Raises:
        Unavailable: There are fewer than two real or generated images.
    """
    sets = (samples.real_features, None), (samples.generated_features, samples.generated_rows)
    size = min(settings.subset_size, *(len(features) for features, _ in sets))
    if size < 2:
        raise Unavailable("pairs of different images need at least 2 images")
    found = []
    for subset in range(settings.num_subsets):
        own = (
            seeds.derive(samples.seed, "kernel_distance", subset, side)
            for side in ("real", "generated")
        )
        drawn = (draw(*each, size, seed) for each, seed in zip(sets, own, strict=True))
        found.append(squared_discrepancy(*drawn))
    return {"kernel_distance": float(np.mean(found))}


def squared_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the unbiased estimate from two sets of features, (n, feature_dim) and (m, feature_dim)."""
    first, second = (features.astype(np.float64) for features in (first, second))
    within = (_mean_of_pairs(features) for features in (first, second))
    return float(sum(within) - 2 * _kernel(first, second).mean())


def _mean_of_pairs(features: np.ndarray) -> float:
    kernel = _kernel(features, features)
    return (kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1))


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    base = first @ second.T
    base /= first.shape[1]
    base += 1
    cubes = base * base  # as a power it takes ten times as long
    cubes *= base
    return cubes
