"""Log-likelihoods by importance sampling from the posterior, in blocks: memory does not grow with images or samples.

Burda et al., "Importance Weighted Autoencoders", ICLR 2016, section 5; in expectation the estimate is a lower bound,
which rises with the number of samples.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from genlab.contract.capabilities import HasLikelihood
from genlab.evaluation.evidence_bound import likelihood_of
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_float
from genlab.measurement.evidence import ImportanceWeights, Unavailable
from genlab.numerics.batches import in_batches
from genlab.settings import seeds
from genlab.settings.params import Likelihood
from genlab.trained.model import TrainedModel

BLOCK_IMAGES, BLOCK_SAMPLES = 20, 100
"""Decoded at a time: as many as a processor's cache takes."""

LogWeights = Callable[[tf.Tensor, int, tf.Tensor], tf.Tensor]
"""Of images (n, height, width, channels), a number of samples and a seed, int32 (2,): log p(images, latents) -
log q(latents | images) at draws from q, (n, num_samples) nats."""
GIVES = ImportanceWeights


def score(task: Task, scores: Scores) -> None:
    """Scores the likelihood of the first test images."""
    settings, images = task.settings.likelihood, task.real.images
    number = min(len(images), settings.num_images)
    protocol = task.protocol(
        number, num_samples=settings.num_samples, likelihood=likelihood_of(task.model)
    )
    seed = seeds.derive(task.seed, "likelihood")
    scores.gather(
        "likelihood",
        ImportanceWeights,
        lambda: importance_weights(task.model, images, settings, seed),
        protocol,
        f"importance sampling, {settings.num_samples} samples",
    )


def importance_weights(
    model: TrainedModel, images: np.ndarray, settings: Likelihood, seed: int
) -> ImportanceWeights:
    """Returns the estimates for the first images of a split, at most `settings.num_images`.

    Args:
        model: What was trained.
        images: uint8 (n, height, width, channels), as they lie in the split: the model's own binarisation is applied.
        settings: How many images and samples.
        seed: Of the draws.

    Raises:
        Unavailable: The model has no posterior.
    """
    if not isinstance(model.model, HasLikelihood):
        raise Unavailable(f"{model.settings['kind']} has no posterior")
    floats = to_float(model.as_seen(np.asarray(images[: settings.num_images])))
    return ImportanceWeights(
        estimate(model.model.log_likelihoods, floats, settings.num_samples, seed)
    )


def estimate(
    log_weights: LogWeights, images: np.ndarray, num_samples: int, seed: int
) -> np.ndarray:
    """Returns log of the mean of `num_samples` importance weights of each image, float64 (n,) nats.

    Weights come in float32, and are summed in float64. The first images' values do not depend on how many there are.

    Args:
        log_weights: What is sampled.
        images: float32 (n, height, width, channels) in [0, 1].
        num_samples: Per image.
        seed: Of all draws.
    """
    compiled = tf.function(log_weights, autograph=False)
    (sums,) = in_batches(
        lambda block, start: [_sum(compiled, block, num_samples, seed, start)], images, BLOCK_IMAGES
    )
    return sums - np.log(num_samples)


def _sum(
    compiled: LogWeights, images: np.ndarray, num_samples: int, seed: int, start: int
) -> np.ndarray:
    """Returns the log of the sum of the weights of one block of images, (BLOCK_IMAGES,)."""
    total, constant, own_seed = (
        np.full(len(images), -np.inf),
        tf.constant(images),
        seeds.derive(seed, start),
    )
    for first in range(0, num_samples, BLOCK_SAMPLES):
        number = min(BLOCK_SAMPLES, num_samples - first)
        weights = compiled(constant, number, tf.constant([own_seed, first])).numpy()
        total = np.logaddexp(total, logsumexp(weights.astype(np.float64), axis=1))
    return total
