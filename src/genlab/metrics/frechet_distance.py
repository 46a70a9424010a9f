"""Fréchet distance between real and generated images, each a Gaussian in the features of a classifier.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017:

    |mean_1 - mean_2|^2 + trace(covariance_1 + covariance_2 - 2 (covariance_1 covariance_2)^(1/2))
"""

import numpy as np

from genlab.measures import Measure, Samples

NEEDS = Samples
MEASURES = {"frechet_distance": Measure("squared feature distance", "lower")}


def compute(samples: Samples) -> dict[str, float]:
    """Returns the distance between the real and the generated features."""
    return {"frechet_distance": between_features(samples.real_features, samples.generated_features)}


def between_features(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the distance of two sets of features, (n, feature_dim) and (m, feature_dim), n and m at least 2."""
    return between_gaussians(*moments(first), *moments(second))


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean (feature_dim,) and the unbiased covariance (feature_dim, feature_dim), float64."""
    features = np.asarray(features, np.float64)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def between_gaussians(
    mean_1: np.ndarray, covariance_1: np.ndarray, mean_2: np.ndarray, covariance_2: np.ndarray
) -> float:
    """Returns the squared 2-Wasserstein distance of two Gaussians, at least 0; singular covariances are welcome.

    The trace of (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of S C2 S with S = C1^(1/2): both
    decompositions are of symmetric matrices, so no imaginary part can arise (Dowson and Landau 1982).
    """
    root = _symmetric_root(covariance_1)
    eigenvalues = np.linalg.eigvalsh(root @ covariance_2 @ root)
    trace_of_root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    distance = np.sum((mean_1 - mean_2) ** 2) + np.trace(covariance_1) + np.trace(covariance_2) - 2 * trace_of_root
    return float(max(distance, 0.0))


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(eigenvalues, 0, None))) @ vectors.T
