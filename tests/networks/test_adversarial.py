"""Adversarial losses and penalties, by hand. softplus(0, ln 3, -ln 3) = ln 2, ln 4, ln 4/3."""

import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import as_grey_rows
from scipy import stats

from genlab.models import gan
from genlab.networks import adversarial

LN2, LN3 = math.log(2), math.log(3)
SEED = (3, 5)
LOGITS = [0.0, LN3], [LN3, 0.0]
OTHERS = [2.0, 0.5], [-0.5, 1.0]
CROSS_ENTROPY = (LN2 + math.log(4 / 3)) / 2 + (math.log(4) + LN2) / 2
SMOOTHED = (0.1, CROSS_ENTROPY + 0.1 * LN3 / 2)
BY_HAND = {
    # real and fake logits; discriminator's loss; smoothing, its loss with it; generator's loss
    "non_saturating": (*LOGITS, CROSS_ENTROPY, *SMOOTHED, (math.log(4 / 3) + LN2) / 2),
    "minimax": (*LOGITS, CROSS_ENTROPY, *SMOOTHED, -(math.log(4) + LN2) / 2),
    "least_squares": (*OTHERS, 0.625, 0.2, 0.695, 0.5625),
    "wasserstein_gp": (*OTHERS, -1.0, 0.0, -1.0, -0.25),
    "hinge": (*OTHERS, 0.25 + 1.25, 0.0, 1.5, -0.25),
}


def test_every_loss_is_a_setting_and_in_the_table() -> None:
    allowed = get_args(gan.Settings.model_fields["loss"].annotation)
    assert set(adversarial.LOSSES) == set(BY_HAND) == set(allowed)


@pytest.mark.parametrize("name", BY_HAND)
def test_losses(name: str) -> None:
    real, fake, *expected = BY_HAND[name]
    of_discriminator, smoothing, smoothed, of_generator = expected
    real, fake, loss = tf.constant(real), tf.constant(fake), adversarial.LOSSES[name]
    assert float(loss.discriminator(real, fake, 0.0)) == pytest.approx(of_discriminator, rel=1e-6)
    assert float(loss.discriminator(real, fake, smoothing)) == pytest.approx(smoothed, rel=1e-6)
    assert float(loss.generator(fake)) == pytest.approx(of_generator, rel=1e-6)


def test_discriminator_that_cannot_tell_loses_two_ln_2() -> None:
    zeros = tf.zeros(5)
    loss = adversarial.cross_entropy_discriminator(zeros, zeros, 0.0)
    assert float(loss) == pytest.approx(2 * LN2)


def linear(*weights: float) -> Callable[..., tf.Tensor]:
    """Returns a function of images whose gradient is `weights` at every image."""
    return lambda images: tf.reduce_sum(images[:, 0, :, 0] * tf.constant(weights), axis=1)


@pytest.mark.parametrize(
    ("weights", "expected"), [((3.0, 4.0), 16.0), ((0.6, 0.8), 0.0), ((0.0, 0.0), 1.0)]
)
def test_gradient_penalty_of_a_linear_function(
    weights: tuple[float, float], expected: float
) -> None:
    images, fakes = as_grey_rows([0.1, 0.9], [0.4, 0.2]), as_grey_rows([0.5, 0.5], [1.0, 0.0])
    penalty = adversarial.gradient_penalty(linear(*weights), images, fakes, SEED)
    assert float(penalty) == pytest.approx(expected, abs=1e-5)


def test_gradient_penalty_mixes_each_pair_uniformly() -> None:
    points = []

    def remember(images: tf.Tensor) -> tf.Tensor:
        points.append(np.asarray(images))
        return tf.reduce_sum(images, axis=(1, 2, 3))

    images = tf.zeros((5000, 1, 2, 1))
    adversarial.gradient_penalty(remember, images, tf.ones_like(images), SEED)
    shares = points[0][:, 0, 0, 0]
    np.testing.assert_array_equal(points[0][:, 0, 1, 0], shares)
    assert stats.kstest(shares, "uniform").pvalue > 1e-3
    assert 0 <= shares.min() < 0.01 < 0.99 < shares.max() <= 1


def test_squared_gradients_are_those_of_each_image() -> None:
    images = as_grey_rows([1.0, 2.0], [0.0, 3.0])
    outputs, squares = adversarial.with_squared_gradients(
        lambda points: tf.reduce_sum(points**2, axis=(1, 2, 3)), images
    )
    np.testing.assert_allclose(outputs, [5, 9])
    np.testing.assert_allclose(squares, [4 + 16, 36])  # |2 images|^2
