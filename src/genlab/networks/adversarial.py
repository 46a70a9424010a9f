"""Objectives of a generator and a discriminator, and penalties on the discriminator's gradient.

Means over the batch. `real` and `fake` are the discriminator's logits (n,) of real and generated
images.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from genlab.networks import noise


def cross_entropy_discriminator(
    real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Returns -log sigmoid(real) - log(1 - sigmoid(fake)): () nats.

    The smoothing is one-sided (Salimans et al. 2016).
    """
    real_loss = tf.reduce_mean(tf.nn.softplus(real) - (1 - label_smoothing) * real)
    return real_loss + tf.reduce_mean(tf.nn.softplus(fake))


def non_saturating_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns -log sigmoid(fake) (Goodfellow et al. 2014, section 3): () nats."""
    return tf.reduce_mean(tf.nn.softplus(-fake))


def minimax_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns log(1 - sigmoid(fake)) (Goodfellow et al. 2014, equation 1): () nats."""
    return -tf.reduce_mean(tf.nn.softplus(fake))


def least_squares_discriminator(
    real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Returns (real - 1)^2 / 2 + fake^2 / 2 (Mao et al. 2017, equation 9): ()."""
    real_loss = tf.reduce_mean(tf.square(real - (1 - label_smoothing)))
    return 0.5 * (real_loss + tf.reduce_mean(tf.square(fake)))


def least_squares_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns (fake - 1)^2 / 2 (Mao et al. 2017, equation 9): ()."""
    return 0.5 * tf.reduce_mean(tf.square(fake - 1))


def wasserstein_discriminator(
    real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Returns fake - real, without a penalty (Gulrajani et al. 2017, equation 3): ()."""
    del label_smoothing
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


def hinge_discriminator(real: tf.Tensor, fake: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Returns max(0, 1 - real) + max(0, 1 + fake) (Miyato et al. 2018, equation 16): ()."""
    del label_smoothing
    return tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + fake))


def linear_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns -fake (Gulrajani et al. 2017; Miyato et al. 2018, equation 17): ()."""
    return -tf.reduce_mean(fake)


class AdversarialLoss(NamedTuple):
    """The losses of both players."""

    discriminator: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]
    generator: Callable[[tf.Tensor], tf.Tensor]


LOSSES = {
    "non_saturating": AdversarialLoss(cross_entropy_discriminator, non_saturating_generator),
    "minimax": AdversarialLoss(cross_entropy_discriminator, minimax_generator),
    "least_squares": AdversarialLoss(least_squares_discriminator, least_squares_generator),
    "wasserstein_gp": AdversarialLoss(wasserstein_discriminator, linear_generator),
    "hinge": AdversarialLoss(hinge_discriminator, linear_generator),
}


def with_squared_gradients(
    function: Callable[..., tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `function` of each image and the squared norm of its gradient there: (n,) each."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = function(images)
    return outputs, tf.reduce_sum(tf.square(tape.gradient(outputs, images)), axis=(1, 2, 3))


def gradient_penalty(
    function: Callable[..., tf.Tensor], images: tf.Tensor, fakes: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Returns (|gradient| - 1)^2 at points drawn uniformly between pairs of images: ().

    Gulrajani et al. 2017, algorithm 1.
    """
    share = noise.uniform(tf.shape(images)[0], (1, 1, 1), seed)
    _, squares = with_squared_gradients(function, images + share * (fakes - images))
    return tf.reduce_mean(tf.square(tf.sqrt(squares + 1e-12) - 1))
