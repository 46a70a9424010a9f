"""Negative evidence lower bound: an upper bound of -log p(image), unweighted whatever the training.

Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 3, with one draw from the
posterior per image. Grey values are scored with the Bernoulli likelihood as they are, as
probabilities of white. So their own entropy is in the bound, whatever the model:

    loss of a decoder p on a grey image x = entropy of x + KL(x, p).

Above it is what the model can be blamed for. On black and white the entropy is 0, and the bound is
one of a likelihood.
"""

import numpy as np

from genlab.contract.evidence import EvidenceBound, Measure, Values

NEEDS = EvidenceBound
REFERENCE = "Kingma and Welling 2014"
WITHIN = "nats per image, the grey values' entropy included"
ABOVE = "nats per image above the grey values' entropy"
MEASURES = {
    "negative_elbo": Measure(WITHIN, "lower", REFERENCE),
    "reconstruction_loss": Measure(WITHIN, "lower", REFERENCE),
    "kl": Measure("nats per image", "none", REFERENCE),
    "grey_entropy": Measure("nats per image", "none", "docs/metrics.md"),
    "negative_elbo_above_entropy": Measure(ABOVE, "lower", "docs/metrics.md"),
}


def compute(bound: EvidenceBound) -> Values:
    """Returns the bound, its terms and the images' entropy, all per image (n,)."""
    losses = bound.reconstruction_losses.astype(np.float64)
    kls = bound.kls.sum(axis=1, dtype=np.float64)
    return {
        "negative_elbo": losses + kls,
        "reconstruction_loss": losses,
        "kl": kls,
        "grey_entropy": bound.entropies,
        "negative_elbo_above_entropy": losses + kls - bound.entropies,
    }
