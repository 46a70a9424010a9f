"""The terms of the ELBO of each image, of models that have a posterior."""

import numpy as np
import tensorflow as tf

from genlab.contract.capabilities import HasPosterior
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_float
from genlab.measurement.evidence import EvidenceBound, Unavailable
from genlab.metrics import latent_use
from genlab.numerics.batches import in_batches
from genlab.trained.model import TrainedModel

BATCH_SIZE = 500
"""Every batch is filled up to this size: compiled once, and equal shapes give equal bits."""
GIVES = EvidenceBound


def score(task: Task, scores: Scores) -> None:
    """Scores the bound, its terms and the use of the latent."""
    protocol = task.protocol(
        len(task.real.labels), num_posterior_draws=1, likelihood=likelihood_of(task.model)
    )

    def gather() -> EvidenceBound:
        found = evidence_bound(task.model, task.real.images, task.seed)
        scores.arrays["kl_per_dimension"] = {"kl": latent_use.kl_by_dimension(found)}
        return found

    scores.gather("reconstruction", EvidenceBound, gather, protocol, "encoder")


def likelihood_of(model: TrainedModel) -> str:
    """Returns of what the likelihood is; on grey values it is not normalised."""
    binary = model.settings.get("binarisation", "none") != "none"
    return "bernoulli on fixed draws of black and white" if binary else "bernoulli on grey values"


def evidence_bound(model: TrainedModel, images: np.ndarray, seed: int) -> EvidenceBound:
    """Returns the unweighted terms at one posterior draw per image, and the posterior means.

    Args:
        model: What was trained.
        images: uint8 (n, height, width, channels), as they lie in the split: the model's own binarisation is applied.
        seed: Of the draws.

    Raises:
        Unavailable: The model has no posterior.
    """
    if not isinstance(model.model, HasPosterior):
        raise Unavailable(f"{model.settings['kind']} has no posterior")
    floats = to_float(model.as_seen(np.asarray(images)))
    compiled = tf.function(model.model.elbo_terms, autograph=False)
    losses, kls = in_batches(
        lambda batch, start: compiled(tf.constant(batch), tf.constant([seed, start])),
        floats,
        BATCH_SIZE,
    )
    return EvidenceBound(losses, kls, model.encode(floats))
