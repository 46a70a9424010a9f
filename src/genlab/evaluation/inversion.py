"""Reconstruction without an encoder: the latent whose image is nearest is found by gradient descent (inversion).

Zhu et al., "Generative Visual Manipulation on the Natural Image Manifold", ECCV 2016, section 3.1. Each search starts
at the draw from the prior whose image is nearest: from one common start it often ends in a poor minimum.
"""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from genlab.settings.params import Inversion
from genlab.trained.generators import PRIOR
from genlab.trained.model import TrainedModel

BATCH_SIZE = 256


def invert(model: TrainedModel, images: np.ndarray, settings: Inversion, seed: int) -> np.ndarray:
    """Returns the nearest images that the search found, float32 NHWC in [0, 1].

    Args:
        model: Generates from latent vectors, given nothing.
        images: float32 (n, height, width, channels) in [0, 1].
        settings: Number of starts; steps and learning rate of Adam on the squared error of each image.
        seed: Of the starts.
    """
    decode = functools.partial(model.model.generate, given={})  # type: ignore[attr-defined]
    candidates = model.draw_latents(settings.num_starts, seed, PRIOR)
    decoded = np.concatenate([np.asarray(decode(batch)) for batch in _batches(candidates)])
    starts = candidates[nearest(images, decoded)]
    pairs = zip(_batches(images), _batches(starts), strict=True)
    return np.concatenate(
        [_descend(decode, targets, latents, settings) for targets, latents in pairs]
    )


def nearest(images: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Returns, for each image (n, ...), the index of the candidate (m, ...) with the least squared error: (n,)."""
    rows, others = images.reshape(len(images), -1), candidates.reshape(len(candidates), -1)
    return (np.square(others).sum(axis=1) - 2 * rows @ others.T).argmin(axis=1)


def _batches(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + BATCH_SIZE] for start in range(0, len(values), BATCH_SIZE)]


def _descend(
    decode: Any, targets: np.ndarray, starts: np.ndarray, settings: Inversion
) -> np.ndarray:
    latents = keras.Variable(starts, dtype="float32")
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    )
    optimizer.build([latents])

    @tf.function(autograph=False)
    def descend() -> None:
        with tf.GradientTape() as tape:
            error = tf.reduce_sum(tf.square(decode(latents.value) - tf.constant(targets)))
        optimizer.apply([tape.gradient(error, latents.value)], [latents])

    for _ in range(settings.steps):
        descend()
    return np.asarray(decode(latents.value))
