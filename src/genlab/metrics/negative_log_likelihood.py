"""Negative log-likelihood, estimated by importance sampling with the posterior as the proposal.

Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016, section 5: of each image

    -log mean_k p(image, latent_k) / q(latent_k | image),   latent_k from q.

By Jensen's inequality it is in expectation no less than the true value, and falls towards it with the number of draws:
compare only numbers of equally many. With one draw it is the negative ELBO.
"""

import numpy as np

from genlab.measurement.evidence import ImportanceWeights, Measure, Values

NEEDS = ImportanceWeights
MEASURES = {"negative_log_likelihood": Measure("nats per image", "lower", "Burda et al. 2016")}


def compute(evidence: ImportanceWeights) -> Values:
    """Returns one value per image, (n,)."""
    return {"negative_log_likelihood": -evidence.log_likelihoods.astype(np.float64)}
