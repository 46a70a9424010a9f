"""Fused batch normalisation: equal to Keras's own, to its gradients' gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from genlab.networks import normalisation


def pair(channels: int) -> list[keras.layers.Layer]:
    """Returns Keras's layer and ours, with the same weights."""
    ones = [
        module.BatchNormalization(momentum=0.9, epsilon=1e-5) for module in (layers, normalisation)
    ]
    for layer in ones:
        layer.build((None, 4, 6, channels))
        layer.set_weights([np.linspace(start, start + 1, channels) for start in (0.5, -1, 0, 1)])
    return ones


@pytest.mark.parametrize("training", [True, False])
def test_it_is_that_of_keras(training: bool) -> None:
    images = 3 * tf.random.stateless_normal((5, 4, 6, 3), (1, 2)) + 2
    results = []
    for layer in pair(3):
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                outputs = layer(images, training=training)
                loss = tf.reduce_sum(tf.sin(outputs))
            first = inner.gradient(loss, [images, *layer.trainable_variables])
            norm = tf.reduce_sum(tf.square(first[0]))
        results.append([outputs, *first, outer.gradient(norm, images), *layer.get_weights()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


def test_statistics_are_those_of_the_batch() -> None:
    """Mean 2 and variance 1 of {1, 3}, of which a tenth is new."""
    layer = normalisation.BatchNormalization(momentum=0.9, epsilon=0.0)
    outputs = layer(tf.reshape([1.0, 3.0], (2, 1, 1, 1)), training=True)
    np.testing.assert_allclose(np.ravel(outputs), [-1, 1], rtol=1e-5)
    np.testing.assert_allclose(np.ravel(layer.moving_mean), [0.2], rtol=1e-5)
    np.testing.assert_allclose(np.ravel(layer.moving_variance), [0.9 + 0.1], rtol=1e-5)


def test_bfloat16_images_keep_float32_statistics() -> None:
    ours, theirs = (
        module.BatchNormalization(momentum=0.9, dtype="mixed_bfloat16")
        for module in (normalisation, layers)
    )
    images = 3 * tf.random.stateless_normal((50, 4, 6, 3), (1, 2)) + 2
    outputs, expected = ours(images, training=True), theirs(images, training=True)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float32), tf.cast(expected, tf.float32), atol=0.03
    )
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, rtol=1e-2)
