"""Negative evidence lower bound, always unweighted: an upper bound of -log p(image), whatever the training weighed.

Kingma and Welling 2014, equation 3, with one draw from the posterior per image. Grey values are scored with the
Bernoulli likelihood as they are.
"""

from genlab.measures import EvidenceBound, Measure

NEEDS = EvidenceBound
MEASURES = {
    "negative_elbo": Measure("nats per image", "lower"),
    "reconstruction_loss": Measure("nats per image", "lower"),
    "kl": Measure("nats per image", "none"),
}


def compute(bound: EvidenceBound) -> dict[str, float]:
    """Returns the bound and its two terms, means over the images."""
    reconstruction_loss = float(bound.reconstruction_losses.mean(dtype="float64"))
    kl = float(bound.kls.sum(axis=1, dtype="float64").mean())
    return {"negative_elbo": reconstruction_loss + kl, "reconstruction_loss": reconstruction_loss, "kl": kl}
