"""The terms of the ELBO of each image, for models with a posterior."""

import numpy as np
import tensorflow as tf

from genlab.contract.capabilities import HasPosterior
from genlab.contract.evidence import EvidenceBound, Unavailable
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task, seen
from genlab.imaging.binarisation import entropies
from genlab.metrics import latent_use
from genlab.numerics.batches import in_batches
from genlab.trained.model import TrainedModel

BATCH_SIZE = 500
"""Of every batch: compiled once, and equal shapes give equal bits."""
GIVES = EvidenceBound


def score(task: Task, scores: Scores) -> None:
    """Scores the bound, its terms and the use of the latent."""
    likelihood = bernoulli(task.binarisation)
    protocol = task.protocol(len(task.real.labels), num_posterior_draws=1, likelihood=likelihood)

    def gather() -> EvidenceBound:
        bound = evidence_bound(task.model, task.real.images, task.seed)
        scores.arrays["kl_per_dimension"] = {"kl": latent_use.kl_by_dimension(bound)}
        return bound

    scores.gather("reconstruction", EvidenceBound, gather, protocol, "encoder")


def bernoulli(binarisation: str) -> str:
    """Returns the name of a decoder's likelihood; on grey values it is not normalised."""
    draws = "fixed draws of black and white"
    return f"bernoulli on {'grey values' if binarisation == 'none' else draws}"


def evidence_bound(model: TrainedModel, images: np.ndarray, seed: int) -> EvidenceBound:
    """Returns the unweighted terms at one posterior draw per uint8 image, and the posterior means.

    Raises:
        Unavailable: The model has no posterior.
    """
    if not isinstance(model.model, HasPosterior):
        raise Unavailable(f"{model.kind} has no posterior")
    floats = seen(model, images)
    compiled = tf.function(model.model.elbo_terms, autograph=False)
    losses, kls = in_batches(
        lambda batch, start: compiled(tf.constant(batch), tf.constant([seed, start])),
        floats,
        BATCH_SIZE,
    )
    return EvidenceBound(losses, kls, model.encode(floats), entropies(floats))
