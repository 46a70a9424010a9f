"""Gaussians fitted to features in bounded memory, and the distance of two of them.

The squared Fréchet distance is the squared 2-Wasserstein distance (Dowson and Landau 1982):

    |mean_1 - mean_2|^2 + trace(C_1) + trace(C_2) - 2 trace((C_1 C_2)^(1/2))

With C_1 = A A^T and C_2 = B B^T the last trace is the sum of the singular values of A^T B. Only
symmetric matrices are decomposed, so no imaginary part can arise.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import blas

from genlab.runtime.errors import InputError

BLOCK_BYTES = 2**25
"""Of features in float64 that are worked on at a time."""
SMALLEST_PIVOT = 1e-8
"""A covariance is singular where its Cholesky factor's squared diagonal has a smaller ratio."""


class Moments(NamedTuple):
    """Mean (feature_dim,) and unbiased covariance (feature_dim, feature_dim), float64."""

    mean: np.ndarray
    covariance: np.ndarray


class Accumulator:
    """Takes features batch by batch and gives the moments of all, exact to float64's rounding.

    Sums of products about each block's own mean are joined by the formula of Chan, Golub and
    LeVeque (1983): both sums plus one product of the difference of the means, which is appended to
    the block as a row. So no large numbers are subtracted; the work is one product per block.
    """

    def __init__(self, feature_dim: int):
        self.num_images = 0
        self._mean = np.zeros(feature_dim)
        self._products = np.zeros((feature_dim, feature_dim), order="F")  # the upper triangle
        self._rows = max(1, BLOCK_BYTES // (8 * feature_dim))

    def add(self, features: np.ndarray) -> None:
        """Takes features (n, feature_dim) of any type."""
        for start in range(0, len(features), self._rows):
            self._add_block(features[start : start + self._rows])

    def _add_block(self, block: np.ndarray) -> None:
        number, before = len(block), self.num_images
        rows = np.empty((number + 1, block.shape[1]))
        rows[:-1] = block
        mean = rows[:-1].mean(axis=0)
        rows[:-1] -= mean
        rows[-1] = (mean - self._mean) * np.sqrt(number * before / (number + before))
        self._mean += (mean - self._mean) * (number / (number + before))
        self._products = blas.dsyrk(1.0, rows.T, beta=1.0, c=self._products, overwrite_c=True)
        self.num_images += number

    def moments(self) -> Moments:
        """Returns the moments of all features so far.

        Raises:
            InputError: There are fewer than two images.
        """
        if self.num_images < 2:
            raise InputError(
                "a covariance must be of at least 2 images",
                str(self.num_images),
                "See the number of images",
            )
        upper = np.triu(self._products)
        return Moments(self._mean.copy(), (upper + np.triu(upper, 1).T) / (self.num_images - 1))


def moments(features: np.ndarray) -> Moments:
    """Returns the moments of features (n, feature_dim), n at least 2."""
    accumulator = Accumulator(features.shape[1])
    accumulator.add(features)
    return accumulator.moments()


def frechet_distance_of_features(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the squared distance of two sets of features, each (n, feature_dim), n at least 2."""
    return frechet_distance(moments(first), moments(second))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Returns the squared distance of two Gaussians, at least 0; covariances may be singular."""
    difference = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    root = _trace_of_root(first.covariance, second.covariance)
    return float(max(difference @ difference + traces - 2 * root, 0.0))


def _trace_of_root(first: np.ndarray, second: np.ndarray) -> float:
    """Returns trace((first second)^(1/2)).

    The eigenvalues of a product times its transpose cost half as much as its singular values, but
    one that should be 0 leaves the root of the rounding: both covariances must be regular.
    """
    triangle_1, triangle_2 = _regular_factor(first), _regular_factor(second)
    if triangle_1 is not None and triangle_2 is not None:
        product = triangle_1.T @ triangle_2
        return float(np.sqrt(np.clip(np.linalg.eigvalsh(product @ product.T), 0, None)).sum())
    factor_1 = _factor(first) if triangle_1 is None else triangle_1
    factor_2 = _factor(second) if triangle_2 is None else triangle_2
    return float(np.linalg.svd(factor_1.T @ factor_2, compute_uv=False).sum())


def _regular_factor(covariance: np.ndarray) -> np.ndarray | None:
    """Returns the Cholesky factor; None where the covariance is singular, or nearly so."""
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    pivots = np.square(np.diag(factor))
    return factor if pivots.min() > SMALLEST_PIVOT * pivots.max() else None


def _factor(covariance: np.ndarray) -> np.ndarray:
    """Returns A (feature_dim, rank) with A A^T = covariance, without mere rounding."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    rounding = len(eigenvalues) * np.finfo(np.float64).eps * max(eigenvalues[-1], 0.0)
    positive = eigenvalues > rounding
    return vectors[:, positive] * np.sqrt(eigenvalues[positive])
