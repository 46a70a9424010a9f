"""Negative log-likelihood, as the model estimates it.

By importance sampling with the posterior as the proposal (Burda, Grosse and Salakhutdinov,
"Importance Weighted Autoencoders", ICLR 2016, section 5) it is of each image

    -log mean_k p(image, latent_k) / q(latent_k | image),   latent_k from q.

By Jensen's inequality it is in expectation no less than the true value, and falls towards it with
the number of draws: compare only numbers of equally many. With one draw it is the negative ELBO. By
change of variables (flows) the estimates' own mean is unbiased.

Grey values that are scored as probabilities of white bring their own entropy into the number,
whatever the model: see negative_elbo.py. It is left out of the second number.
"""

import numpy as np

from genlab.contract.evidence import LogLikelihoods, Measure, Values

NEEDS = LogLikelihoods
ABOVE = "nats per image above the grey values' entropy"
MEASURES = {
    "negative_log_likelihood": Measure("nats per image", "lower", "Burda et al. 2016"),
    "negative_log_likelihood_above_entropy": Measure(ABOVE, "lower", "docs/metrics.md"),
}


def compute(evidence: LogLikelihoods) -> Values:
    """Returns one value per image, (n,); above the entropy where grey values are probabilities."""
    values = -evidence.log_likelihoods.astype(np.float64)
    if evidence.entropies is None:
        return {"negative_log_likelihood": values}
    return {
        "negative_log_likelihood": values,
        "negative_log_likelihood_above_entropy": values - evidence.entropies,
    }
