"""Keras's strided convolutions, as matrix products of patches where an image has few channels.

A CPU's library is slow there: the transposed convolution to a grey image, and the gradient to one,
took several times as long as the same products over patches. Weights and results are Keras's own.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import layers

from genlab.networks import devices

FEW = 4
"""Number of channels up to which patches are faster."""


def _is_faster(layer: Any, height: int | None, width: int | None, channels: int) -> bool:
    """Returns whether patches are possible and faster: few channels, on a CPU."""
    shape = (layer.kernel_size, layer.strides, layer.padding, layer.groups)
    if shape != ((4, 4), (2, 2), "same", 1) or not height or not width:
        return False
    is_even = height % 2 == width % 2 == 0
    return is_even and channels <= FEW and devices.kind() == "cpu"


class Conv2D(layers.Conv2D):
    """Keras's `Conv2D`."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Returns the convolution without bias."""
        _, height, width, channels = inputs.shape
        if not _is_faster(self, height, width, channels):
            return super().convolution_op(inputs, kernel)
        return _product(unfold(inputs), _as_matrix(kernel))


class Conv2DTranspose(layers.Conv2DTranspose):
    """Keras's `Conv2DTranspose`."""

    groups = 1

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the transposed convolution with bias and activation."""
        _, height, width, _ = inputs.shape
        if not _is_faster(self, 2 * (height or 0), 2 * (width or 0), self.filters):
            return super().call(inputs)
        outputs = fold(_product(inputs, tf.transpose(_as_matrix(self.kernel))))
        if self.use_bias:
            outputs += self.bias
        return self.activation(outputs)


def _product(values: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Returns the product of values (n, height, width, k) and a matrix (k, m)."""
    _, height, width, size = values.shape
    product = tf.matmul(tf.reshape(values, (-1, size)), tf.cast(matrix, values.dtype))
    return tf.reshape(product, (-1, height, width, matrix.shape[1]))


def _as_matrix(kernel: tf.Tensor) -> tf.Tensor:
    """Returns a kernel (4, 4, channels, filters) as (16 channels, filters), rows as in `unfold`."""
    kernel = tf.convert_to_tensor(kernel)
    channels, filters = kernel.shape[2:]
    # Row and column are each split into a half and a position in it.
    halves = tf.reshape(kernel, (2, 2, 2, 2, channels, filters))
    return tf.reshape(tf.transpose(halves, (0, 2, 1, 3, 4, 5)), (16 * channels, filters))


@tf.custom_gradient
def unfold(images: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Returns the 4 x 4 patch around every second pixel: (n, height / 2, width / 2, 16 channels).

    Pixels outside the image are zeros.
    """
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    squares = tf.nn.space_to_depth(padded, 2)
    height = squares.shape[1] - 1
    width = squares.shape[2] - 1
    corners = ((0, 0), (0, 1), (1, 0), (1, 1))
    parts = [squares[:, top : top + height, left : left + width] for top, left in corners]
    return tf.concat(parts, axis=3), fold


@tf.custom_gradient
def fold(patches: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Returns images (n, 2 height, 2 width, c) as sums of patches (n, height, width, 16 c).

    The adjoint of `unfold`, so each is the other's gradient. The order of the sums is fixed.
    """
    first, second, third, fourth = tf.split(patches, 4, axis=3)
    upper = tf.pad(first, _padding(0, 0)) + tf.pad(second, _padding(0, 1))
    lower = tf.pad(third, _padding(1, 0)) + tf.pad(fourth, _padding(1, 1))
    return tf.nn.depth_to_space(upper + lower, 2)[:, 1:-1, 1:-1], unfold


def _padding(top: int, left: int) -> tuple[tuple[int, int], ...]:
    return (0, 0), (top, 1 - top), (left, 1 - left), (0, 0)
