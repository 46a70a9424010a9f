"""Reconstruction without an encoder: the latent whose image is nearest is found by gradient descent (inversion).

Zhu et al., "Generative Visual Manipulation on the Natural Image Manifold", ECCV 2016, section 3.1 (optimisation only).
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from genlab.params import Inversion

BATCH_SIZE = 256


def invert(model: Any, images: np.ndarray, latent_dim: int, settings: Inversion) -> np.ndarray:
    """Returns the nearest images that the model's `decode` was led to, float32 NHWC in [0, 1].

    Args:
        model: Offers `decode(latents)`, differentiable.
        images: float32 (n, height, width, channels) in [0, 1].
        latent_dim: Size of a latent. Every search starts at the prior's mean, 0: nothing is drawn.
        settings: Steps and learning rate of Adam on the squared error, summed over the pixels of each image.
    """
    batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
    return np.concatenate([_invert_batch(model, batch, latent_dim, settings) for batch in batches])


def _invert_batch(model: Any, batch: np.ndarray, latent_dim: int, settings: Inversion) -> np.ndarray:
    latents = keras.Variable(np.zeros((len(batch), latent_dim), np.float32))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps))
    optimizer.build([latents])
    targets = tf.constant(batch)

    @tf.function
    def descend() -> None:
        for _ in tf.range(settings.steps):
            with tf.GradientTape() as tape:
                errors = tf.reduce_sum(tf.square(model.decode(latents.value) - targets))
            optimizer.apply([tape.gradient(errors, latents.value)], [latents])

    descend()
    return np.asarray(model.decode(latents.value))
