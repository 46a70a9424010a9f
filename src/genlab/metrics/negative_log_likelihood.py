"""Negative log-likelihood, as the model estimates it.

By importance sampling with the posterior as the proposal (Burda, Grosse and Salakhutdinov,
"Importance Weighted Autoencoders", ICLR 2016, section 5) it is of each image

    -log mean_k p(image, latent_k) / q(latent_k | image),   latent_k from q.

By Jensen's inequality it is in expectation no less than the true value, and falls towards it with
the number of draws: compare only numbers of equally many. With one draw it is the negative ELBO. By
change of variables (flows) the estimates' own mean is unbiased.
"""

import numpy as np

from genlab.contract.evidence import LogLikelihoods, Measure, Values

NEEDS = LogLikelihoods
MEASURES = {"negative_log_likelihood": Measure("nats per image", "lower", "Burda et al. 2016")}


def compute(evidence: LogLikelihoods) -> Values:
    """Returns one value per image, (n,)."""
    return {"negative_log_likelihood": -evidence.log_likelihoods.astype(np.float64)}
