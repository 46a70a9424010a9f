"""Convolutions by patches: equal to Keras's own, to their gradients' gradients."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from genlab.networks import convolution, devices

SIZES = [(8, 8, 1), (6, 10, 3), (28, 28, 4)]


def pair(kind: str, inputs: tf.Tensor, filters: int, **changes: Any) -> list[keras.layers.Layer]:
    """Returns Keras's layer and ours, with the same weights."""
    options = {"strides": 2, "padding": "same", "bias_initializer": "random_normal"} | changes
    ones = [getattr(module, kind)(filters, 4, **options) for module in (layers, convolution)]
    for layer in ones:
        layer.build(inputs.shape)
    ones[1].set_weights(ones[0].get_weights())
    return ones


def count(function: Any, inputs: tf.Tensor, name: str) -> int:
    graph = tf.function(function, autograph=False).get_concrete_function(inputs).graph
    return sum(operation.type == name for operation in graph.get_operations())


def gradients(layer: keras.layers.Layer, inputs: tf.Tensor) -> list[tf.Tensor]:
    """Returns outputs, gradients, and the gradients of the input gradient's norm, as for R1."""
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = layer(inputs)
            loss = tf.reduce_sum(tf.sin(outputs))
        to_inputs, *to_weights = inner.gradient(loss, [inputs, *layer.trainable_variables])
        norm = tf.reduce_sum(tf.square(to_inputs))
    return [
        outputs,
        to_inputs,
        *to_weights,
        *outer.gradient(norm, [inputs, layer.trainable_variables[0]]),
    ]


@pytest.mark.parametrize("size", SIZES)
def test_convolution_is_that_of_keras(size: tuple[int, int, int]) -> None:
    inputs = tf.random.stateless_normal((3, *size), (1, 2))
    theirs, ours = pair("Conv2D", inputs, 5)
    assert (count(theirs, inputs, "Conv2D"), count(ours, inputs, "Conv2D")) == (1, 0)
    for one, other in zip(gradients(theirs, inputs), gradients(ours, inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("size", SIZES)
def test_transposed_convolution_is_that_of_keras(size: tuple[int, int, int]) -> None:
    height, width, channels = size
    inputs = tf.random.stateless_normal((3, height // 2, width // 2, 5), (1, 2))
    theirs, ours = pair("Conv2DTranspose", inputs, channels, activation="tanh")
    assert ours(inputs).shape == (3, *size)
    assert (
        count(theirs, inputs, "Conv2DBackpropInput"),
        count(ours, inputs, "Conv2DBackpropInput"),
    ) == (1, 0)
    for one, other in zip(gradients(theirs, inputs), gradients(ours, inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        ((8, 8, 5), {}),
        ((7, 8, 1), {}),
        ((8, 8, 1), {"strides": 1}),
        ((8, 8, 1), {"padding": "valid"}),
    ],
)
def test_other_convolutions_are_left_to_the_library(
    size: tuple[int, int, int], changes: dict[str, Any]
) -> None:
    inputs = tf.random.stateless_normal((2, *size), (1, 2))
    theirs, ours = pair("Conv2D", inputs, 3, **changes)
    assert count(ours, inputs, "Conv2D") == 1
    np.testing.assert_array_equal(theirs(inputs), ours(inputs))


def test_gpu_has_its_own_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "kind", lambda: "gpu")
    inputs = tf.zeros((2, 8, 8, 1))
    assert count(pair("Conv2D", inputs, 3)[1], inputs, "Conv2D") == 1


def test_fold_is_the_adjoint_of_unfold() -> None:
    images = tf.random.stateless_normal((2, 6, 8, 3), (1, 2))
    patches = tf.random.stateless_normal((2, 3, 4, 48), (3, 4))
    left, right = (
        tf.reduce_sum(convolution.unfold(images) * patches),
        tf.reduce_sum(images * convolution.fold(patches)),
    )
    assert float(left) == pytest.approx(float(right), rel=1e-5)


def test_patch_holds_the_four_by_four_around_its_square() -> None:
    images = tf.reshape(tf.range(1.0, 17.0), (1, 4, 4, 1))
    corner = convolution.unfold(images)[0, 0, 0]
    assert sorted(corner.numpy()) == [0] * 7 + [1, 2, 3, 5, 6, 7, 9, 10, 11]
