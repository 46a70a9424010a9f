"""A Gaussian mixture fitted to latents after training: every model that encodes can then sample.

Ghosh et al., "From Variational to Deterministic Autoencoders", ICLR 2020, section 4 (ex-post
density estimation).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import threadpoolctl

from genlab.imaging.arrays import write_npz


@dataclass(frozen=True)
class GaussianMixture:
    """Weights (k,), means (k, latent_dim) and covariances (k, latent_dim, latent_dim), float64."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def draw_latents(self, num_images: int, seed: int) -> np.ndarray:
        """Returns draws, float32 (num_images, latent_dim); the first ones whatever the number."""
        components, noises = np.random.default_rng(seed).spawn(2)
        borders = np.cumsum(self.weights)[:-1]
        chosen = np.searchsorted(borders, components.random(num_images), side="right")
        noise = noises.standard_normal((num_images, self.means.shape[1]))
        factors = np.linalg.cholesky(self.covariances)
        latents = self.means[chosen] + np.einsum("nij,nj->ni", factors[chosen], noise)
        return latents.astype(np.float32)

    def write(self, path: Path) -> None:
        """Writes the mixture as npz."""
        write_npz(path, vars(self))

    @classmethod
    def read(cls, path: Path) -> "GaussianMixture":
        """Reads a mixture as written by `write`."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**arrays)


def fit(latents: np.ndarray, num_components: int, seed: int) -> GaussianMixture:
    """Returns the mixture with full covariances fitted to latents (n, latent_dim) by EM.

    It has fewer components where there are fewer than ten latents for each, or fewer distinct ones.
    The fit is made at unit scale, since what keeps covariances regular is an absolute number, and
    on one thread: several add in any order, and only wait for each other where matrices are small.
    """
    from sklearn.mixture import GaussianMixture as Estimator

    components = max(1, min(num_components, len(latents) // 10, len(np.unique(latents, axis=0))))
    latents = latents.astype(np.float64)
    centre = latents.mean(axis=0)
    scale = float(latents.std(axis=0).max()) or 1.0
    estimator = Estimator(components, reg_covar=1e-6, max_iter=200, random_state=seed)
    with threadpoolctl.threadpool_limits(1):
        estimator.fit((latents - centre) / scale)
    return GaussianMixture(
        estimator.weights_, centre + scale * estimator.means_, scale**2 * estimator.covariances_
    )
