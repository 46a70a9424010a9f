"""Log-likelihoods in blocks: memory does not grow with images or samples.

By importance sampling from the posterior (Burda et al., "Importance Weighted Autoencoders", ICLR
2016, section 5) the estimate is in expectation a lower bound that rises with the number of samples;
by change of variables it is unbiased.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from genlab.contract.capabilities import HasLikelihood
from genlab.contract.evidence import LogLikelihoods
from genlab.evaluation.evidence_bound import bernoulli
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task, seen
from genlab.imaging.binarisation import entropies
from genlab.numerics.batches import in_batches
from genlab.settings import seeds

BLOCK_IMAGES, BLOCK_SAMPLES = 20, 100
"""Decoded at a time: as many as a processor's cache takes."""
GIVES = LogLikelihoods


class Mean(NamedTuple):
    """How blocks of estimates (n, samples) become (n,), and what it is in words.

    The likelihood depends on the model's binarisation. Where it is Bernoulli's, images (n, ...)
    have entropies (n,).
    """

    method: str
    likelihood: Callable[[str], str]
    entropies: Callable[[np.ndarray], np.ndarray | None]
    of: Callable[[list[np.ndarray]], np.ndarray]


def _of_probabilities(blocks: list[np.ndarray]) -> np.ndarray:
    sums = np.logaddexp.reduce([logsumexp(block, axis=1) for block in blocks])
    return sums - np.log(sum(block.shape[1] for block in blocks))


def _of_logarithms(blocks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(blocks, axis=1).mean(axis=1)


MEANS = {
    "probabilities": Mean("importance sampling", bernoulli, entropies, _of_probabilities),
    "logarithms": Mean(
        "change of variables", lambda _: "density of grey values", lambda _: None, _of_logarithms
    ),
}
"""By the model's `likelihood_mean`."""


def score(task: Task, scores: Scores) -> None:
    """Scores the likelihood of some of the test images."""
    model, settings = task.model.model, task.settings.likelihood
    if not isinstance(model, HasLikelihood):
        scores.skip("likelihood", LogLikelihoods, f"{task.model.kind} has no posterior")
        return
    mean = MEANS[model.likelihood_mean]
    images = seen(task.model, task.real.images[task.rows(settings.num_images)])
    seed = seeds.derive(task.seed, "likelihood")
    estimates = estimate(model, images, settings.num_samples, seed)
    evidence = LogLikelihoods(estimates, mean.entropies(images))
    likelihood = mean.likelihood(task.binarisation)
    protocol = task.protocol(len(images), num_samples=settings.num_samples, likelihood=likelihood)
    method = f"{mean.method}, {settings.num_samples} samples"
    scores.add("likelihood", evidence, protocol, method)


def estimate(model: HasLikelihood, images: np.ndarray, num_samples: int, seed: int) -> np.ndarray:
    """Returns the mean of `num_samples` estimates of each image, float64 (n,) nats.

    Images are float32 NHWC as the model sees them. Estimates come in float32 and are averaged in
    float64. The values of the first images do not depend on how many there are.
    """
    compiled = tf.function(model.log_likelihoods, autograph=False)
    mean = MEANS[model.likelihood_mean].of

    def of_block(block: np.ndarray, start: int) -> list[np.ndarray]:
        constant, own_seed = tf.constant(block), seeds.derive(seed, start)
        parts = []
        for first in range(0, num_samples, BLOCK_SAMPLES):
            number = min(BLOCK_SAMPLES, num_samples - first)
            estimates = compiled(constant, number, tf.constant([own_seed, first]))
            parts.append(estimates.numpy().astype(np.float64))
        return [mean(parts)]

    (means,) = in_batches(of_block, images, BLOCK_IMAGES)
    return means
