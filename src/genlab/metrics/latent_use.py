"""How much of the latent a VAE uses: a dimension whose posterior is always the prior says nothing.

A dimension is active where the variance of its posterior means over the images is above 0.01
(Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016, section 5.2).
Beside their number stands the KL of the dimension that says most.
"""

import numpy as np

from genlab.contract.evidence import EvidenceBound, Measure, Unavailable, Values
from genlab.numerics.posterior import ACTIVE_VARIANCE

NEEDS = EvidenceBound
MEASURES = {
    "active_units": Measure("latent dimensions", "none", "Burda et al. 2016", None),
    "largest_kl": Measure("nats per image, of one latent dimension", "none", "docs/metrics.md"),
}


def compute(bound: EvidenceBound) -> Values:
    """Returns the number of active dimensions, and the largest mean KL of one dimension."""
    if len(bound.means) < 2:
        raise Unavailable("a variance needs at least 2 images")
    variances = bound.means.var(axis=0, dtype=np.float64)
    return {
        "active_units": float(np.count_nonzero(variances > ACTIVE_VARIANCE)),
        "largest_kl": float(kl_by_dimension(bound).max()),
    }


def kl_by_dimension(bound: EvidenceBound) -> np.ndarray:
    """Returns the mean KL of each latent dimension over the images, float64 (latent_dim,) nats."""
    return bound.kls.mean(axis=0, dtype=np.float64)
