"""Fréchet distance between real and generated images, each a Gaussian in a classifier's features.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
NeurIPS 2017; the formula is in `genlab.numerics.gaussians`. With N generated images it is too large
by about a constant over N, which differs between models. So it is also extrapolated to infinitely
many images by a line over 1/N through the distances of subsets: Chong and Forsyth, "Effectively
Unbiased FID and Inception Score and Where to Find Them", CVPR 2020.

*Departure from the paper.* Subsets are drawn without replacement from the given features, not
generated from a quasi-random sequence of latents: this needs no model.
"""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values, draw
from genlab.numerics import gaussians
from genlab.settings import seeds
from genlab.settings.section import Section

NEEDS = Samples
UNIT = "squared feature distance"
MEASURES = {
    "frechet_distance": Measure(UNIT, "lower", "Heusel et al. 2017", (0, math.inf)),
    "frechet_distance_infinite": Measure(UNIT, "lower", "Chong and Forsyth 2020"),
}
SMALLEST_SHARE = 0.1
"""Of the generated images, in the smallest subset: 5,000 of 50,000 in the paper."""


class Settings(Section):
    """At how many sizes of subsets the distance is measured for the extrapolation."""

    num_sizes: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns the distance, at least 0, and the extrapolated one, which noise may take below 0.

    Fewer than 20 generated images have no subsets, and the second number is missing.
    """
    generated = samples.generated_features
    if min(len(samples.real_features), len(generated)) < 2:
        raise Unavailable("a covariance needs at least 2 images")
    real = gaussians.moments(samples.real_features)
    values: Values = {
        "frechet_distance": gaussians.frechet_distance(real, gaussians.moments(generated))
    }
    distances = {}
    for index, size in enumerate(subset_sizes(len(generated), settings.num_sizes)):
        seed = seeds.derive(samples.seed, "frechet_distance", index)
        subset = draw(generated, samples.generated_rows, size, seed)
        distances[size] = gaussians.frechet_distance(real, gaussians.moments(subset))
    if len(distances) > 1:
        values["frechet_distance_infinite"] = extrapolate(list(distances), list(distances.values()))
    return values


def subset_sizes(num_images: int, num_sizes: int) -> list[int]:
    """Returns sizes from a tenth of the images to all; none where a tenth is less than 2."""
    smallest = int(num_images * SMALLEST_SHARE)
    if smallest < 2:
        return []
    return sorted({round(size) for size in np.linspace(smallest, num_images, num_sizes)})


def extrapolate(sizes: Sequence[float], distances: Sequence[float]) -> float:
    """Returns the value at 1/size = 0 of the least-squares line through distances over 1/size."""
    _, intercept = np.polyfit(1 / np.asarray(sizes, np.float64), distances, deg=1)
    return float(intercept)
