"""Kernel distance between real and generated images: the squared MMD of their features.

Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4 (KID), with the polynomial kernel

    k(a, b) = (a.b / feature_dim + 1)^3

and the unbiased estimate: the mean of k over pairs of different real images, plus that over pairs
of generated ones, less twice the mean over all pairs of a real and a generated image. It is 0 in
expectation for equal distributions, whatever the number of images, and may be negative.
"""

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values, draw
from genlab.settings import seeds
from genlab.settings.section import Section

NEEDS = Samples
MEASURES = {
    "kernel_distance": Measure("squared maximum mean discrepancy", "lower", "Binkowski et al. 2018")
}


class Settings(Section):
    """Number of subsets and images in each; at most all images of the smaller set."""

    num_subsets: int = Field(ge=1)
    subset_size: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns the mean of the estimates of random subsets, each without replacement."""
    real, generated = samples.real_features, samples.generated_features
    size = min(settings.subset_size, len(real), len(generated))
    if size < 2:
        raise Unavailable("pairs of different images need at least 2 images")
    estimates = []
    for subset in range(settings.num_subsets):
        real_seed, generated_seed = (
            seeds.derive(samples.seed, "kernel_distance", subset, side)
            for side in ("real", "generated")
        )
        first = draw(real, None, size, real_seed)
        second = draw(generated, samples.generated_rows, size, generated_seed)
        estimates.append(squared_discrepancy(first, second))
    return {"kernel_distance": float(np.mean(estimates))}


def squared_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the unbiased estimate from two sets of features (n, feature_dim)."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    within = _mean_of_pairs(first) + _mean_of_pairs(second)
    return float(within - 2 * _kernel(first, second).mean())


def _mean_of_pairs(features: np.ndarray) -> float:
    kernel = _kernel(features, features)
    return (kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1))


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    base = first @ second.T
    base /= first.shape[1]
    base += 1
    cubes = base * base  # ten times as fast as a power
    cubes *= base
    return cubes
