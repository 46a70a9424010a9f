"""Kernel distance between real and generated images: the squared MMD of their features.

Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4 (KID), with the polynomial kernel

    k(a, b) = (a.b / feature_dim + 1)^3

and the unbiased estimate: the mean of k over pairs of different real images, plus that over pairs
of generated ones, less twice the mean over all pairs of a real and a generated image. It is 0 in
expectation for equal distributions, whatever the number of images, and may be negative.
"""

from typing import NamedTuple

import numpy as np
from pydantic import Field

from genlab.contract.evidence import Measure, Samples, Unavailable, Values, draw_order
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
    return compute_parts(samples, settings, samples.whole())[0]


def compute_parts(samples: Samples, settings: Settings, kept: np.ndarray) -> list[Values]:
    """Returns the mean for each part of the generated images, bool (parts, m).

    A subset of a part is nearly one of the whole: their kernels are computed once.
    """
    real, generated = samples.real_features, samples.generated_features
    sizes = np.minimum(kept.sum(axis=1), min(settings.subset_size, len(real)))
    if sizes.min() < 2:
        raise Unavailable("pairs of different images need at least 2 images")
    every = np.ones((len(kept), len(real)), bool)
    estimates = []
    for subset in range(settings.num_subsets):
        real_seed, generated_seed = (
            seeds.derive(samples.seed, "kernel_distance", subset, side)
            for side in ("real", "generated")
        )
        first = _drawn(real, every, draw_order(len(real), None, real_seed), sizes)
        order = draw_order(len(generated), samples.generated_rows, generated_seed)
        second = _drawn(generated, kept, order, sizes)
        estimates.append(_discrepancies(first, second))
    return [{"kernel_distance": float(mean)} for mean in np.mean(estimates, axis=0)]


def squared_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the unbiased estimate from two sets of features (n, feature_dim)."""
    sets = (_Drawn(part.astype(np.float64), np.ones((1, len(part)))) for part in (first, second))
    return float(_discrepancies(*sets)[0])


class _Drawn(NamedTuple):
    """All that several subsets hold, float64 (n, feature_dim); 1 where one has it, (subsets, n)."""

    features: np.ndarray
    has: np.ndarray


def _drawn(features: np.ndarray, kept: np.ndarray, order: np.ndarray, sizes: np.ndarray) -> _Drawn:
    """Returns for each part the first of the features in an order that are kept."""
    places = kept[:, order].cumsum(axis=1)
    has = kept[:, order] & (places <= sizes[:, np.newaxis])
    used = has.any(axis=0)
    return _Drawn(features[order[used]].astype(np.float64), has[:, used].astype(np.float64))


def _discrepancies(first: _Drawn, second: _Drawn) -> np.ndarray:
    """Returns the unbiased estimates of several pairs of subsets, (subsets,)."""
    sums = np.sum(first.has @ _kernel(first.features, second.features) * second.has, axis=1)
    means = sums / (first.has.sum(axis=1) * second.has.sum(axis=1))
    return _means_of_pairs(first) + _means_of_pairs(second) - 2 * means


def _means_of_pairs(drawn: _Drawn) -> np.ndarray:
    kernel, numbers = _kernel(drawn.features, drawn.features), drawn.has.sum(axis=1)
    sums = np.sum(drawn.has @ kernel * drawn.has, axis=1) - drawn.has @ np.diag(kernel)
    return sums / (numbers * (numbers - 1))


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns (x.y / feature_dim + 1)^3 of all pairs; a feature of ones brings in the 1."""
    base = _with_ones(first / first.shape[1]) @ _with_ones(second).T
    cubes = base * base  # ten times as fast as a power
    cubes *= base
    return cubes


def _with_ones(features: np.ndarray) -> np.ndarray:
    return np.append(features, np.ones((len(features), 1)), axis=1)
