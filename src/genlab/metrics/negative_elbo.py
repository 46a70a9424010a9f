"""Negative evidence lower bound: an upper bound of -log p(image), unweighted whatever the training.

Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 3, with one draw from the
posterior per image. Grey values are scored with the Bernoulli likelihood as they are.
"""

import numpy as np

from genlab.contract.evidence import EvidenceBound, Measure, Values

NEEDS = EvidenceBound
REFERENCE = "Kingma and Welling 2014"
MEASURES = {
    "negative_elbo": Measure("nats per image", "lower", REFERENCE),
    "reconstruction_loss": Measure("nats per image", "lower", REFERENCE),
    "kl": Measure("nats per image", "none", REFERENCE),
}


def compute(bound: EvidenceBound) -> Values:
    """Returns the bound and its two terms per image, (n,); the KL is a sum over dimensions."""
    losses = bound.reconstruction_losses.astype(np.float64)
    kls = bound.kls.sum(axis=1, dtype=np.float64)
    return {"negative_elbo": losses + kls, "reconstruction_loss": losses, "kl": kls}
