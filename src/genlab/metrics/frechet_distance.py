"""Fréchet distance between real and generated images, each a Gaussian in the features of a classifier.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017; the
formula is in `genlab.numerics.gaussians`. Of N generated images it is too large by about a constant over N, and the constant
differs between models. So it is also given for infinitely many: Chong and Forsyth, "Effectively Unbiased FID and
Inception Score and Where to Find Them", CVPR 2020. Distances of subsets of several sizes N are fitted by a
line over 1/N, and its value at 0 is taken. The bias of the finite number of real images stays.

*Departure from the paper.* Features of the images at hand are drawn without replacement, not images of a quasi-random
sequence of latents: this needs no model.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from genlab.measurement.evidence import Measure, Samples, Unavailable, Values, draw
from genlab.numerics import gaussians
from genlab.settings import seeds
from genlab.settings.params import Section

NEEDS = Samples
MEASURES = {
    "frechet_distance": Measure("squared feature distance", "lower", "Heusel et al. 2017"),
    "frechet_distance_infinite": Measure(
        "squared feature distance", "lower", "Chong and Forsyth 2020"
    ),
}
SMALLEST_SHARE = 0.1
"""Of the generated images, in the smallest subset: 5,000 of 50,000 in the paper."""


class Settings(Section):
    """At how many sizes of subsets the distance is measured for the extrapolation."""

    num_sizes: int = Field(ge=2)


def compute(samples: Samples, settings: Settings) -> Values:
    """Returns the distance, at least 0, and the extrapolated one, which noise may take a little below 0: it is kept so.

    Fewer than 20 generated images have no subsets to extrapolate from, and the second number is left out.

    Raises:
        Unavailable: There are fewer than two real or generated images.
    """
    if min(len(samples.real_features), len(samples.generated_features)) < 2:
        raise Unavailable("a covariance needs at least 2 images")
    real = gaussians.moments(samples.real_features)
    distance = gaussians.frechet_distance(real, gaussians.moments(samples.generated_features))
    sizes = subset_sizes(len(samples.generated_features), settings.num_sizes)
    if len(sizes) < 2:
        return {"frechet_distance": distance}
    distances = _distances_of_subsets(real, samples, sizes)
    return {
        "frechet_distance": distance,
        "frechet_distance_infinite": extrapolate(sizes, distances),
    }


def subset_sizes(num_images: int, num_sizes: int) -> list[int]:
    """Returns different sizes, evenly spaced from a tenth of the images to all; none where a tenth is less than 2."""
    smallest = int(num_images * SMALLEST_SHARE)
    return (
        sorted({round(size) for size in np.linspace(smallest, num_images, num_sizes)})
        if smallest >= 2
        else []
    )


def _distances_of_subsets(
    real: gaussians.Moments, samples: Samples, sizes: Sequence[int]
) -> list[float]:
    own = (seeds.derive(samples.seed, "frechet_distance", index) for index in range(len(sizes)))
    subsets = (
        draw(samples.generated_features, samples.generated_rows, size, seed)
        for size, seed in zip(sizes, own, strict=True)
    )
    return [gaussians.frechet_distance(real, gaussians.moments(subset)) for subset in subsets]


def extrapolate(sizes: Sequence[int], distances: Sequence[float]) -> float:
    """Returns the value at 1/size = 0 of the line of least squares through the distances over 1/size."""
    _, intercept = np.polyfit(1 / np.asarray(sizes, np.float64), distances, deg=1)
    return float(intercept)
