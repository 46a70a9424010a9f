"""Differentiable augmentation: random changes of real and generated images.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, with the
ranges of the authors' code. Their images lie in [-1, 1] and ours in [0, 1], so brightness moves
half as far and new pixels are 1/2 (grey) instead of 0. Each image has its own draws, and the
gradient flows through to it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import tensorflow as tf

from genlab.networks import noise

Name = Literal["colour", "translation", "cutout"]
GREY = 0.5


def augment(images: tf.Tensor, names: Sequence[Name], seed: tf.Tensor) -> tf.Tensor:
    """Returns images (n, height, width, channels) changed by each augmentation in turn.

    Args:
        images: In [0, 1]; brightness and contrast may take them out of this range.
        names: The augmentations, in order; [] changes nothing.
        seed: Seed of all draws, int32 (2,).
    """
    for index, name in enumerate(names):
        images = AUGMENTATIONS[name](images, noise.other_seed(seed, index))
    return images


def _colour(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    draws = noise.uniform(tf.shape(images)[0], (3, 1, 1, 1), seed)
    return colour(images, draws[:, 0] / 2 - 0.25, draws[:, 1] * 2, draws[:, 2] + 0.5)


def colour(
    images: tf.Tensor, brightness: tf.Tensor, saturation: tf.Tensor, contrast: tf.Tensor
) -> tf.Tensor:
    """Returns images with changed colours; brightness, saturation and contrast are (n, 1, 1, 1).

    Brightness is added. Saturation multiplies distances from each pixel's mean (no effect on one
    channel), contrast those from the image's mean.
    """
    images = images + brightness
    if images.shape[3] > 1:
        greys = tf.reduce_mean(images, axis=3, keepdims=True)
        images = saturation * images + (1 - saturation) * greys
    means = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return contrast * images + (1 - contrast) * means


def _translation(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    reach = [size // 8 for size in images.shape[1:3]]
    return translate(images, *_integers(images, seed, [-size for size in reach], reach))


@tf.custom_gradient
def translate(
    images: tf.Tensor, down: tf.Tensor, right: tf.Tensor
) -> tuple[tf.Tensor, Callable[..., Any]]:
    """Returns images moved `down` and `right` by that many pixels, int32 (n,); grey moves in."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        return _move(upstream, -down, -right, 0.0), None, None

    return _move(images, down, right, GREY), gradient


def _move(images: tf.Tensor, down: tf.Tensor, right: tf.Tensor, filling: float) -> tf.Tensor:
    height, width, channels = images.shape[1:]
    rows = tf.clip_by_value(tf.range(1, height + 1) - down[:, tf.newaxis], 0, height + 1)
    columns = tf.clip_by_value(tf.range(1, width + 1) - right[:, tf.newaxis], 0, width + 1)
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=filling)
    pixels = tf.reshape(padded, (-1, (height + 2) * (width + 2), channels))
    indices = rows[:, :, tf.newaxis] * (width + 2) + columns[:, tf.newaxis, :]
    return tf.gather(pixels, indices, batch_dims=1)


def _cutout(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    last = [size - size // 2 % 2 for size in images.shape[1:3]]
    return cut_out(images, *_integers(images, seed, [0, 0], last))


def cut_out(images: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Returns images with a grey box of half their size around row and column, int32 (n,)."""
    in_rows = _is_in_box(images.shape[1], row)[:, :, tf.newaxis]
    in_columns = _is_in_box(images.shape[2], column)[:, tf.newaxis, :]
    return tf.where((in_rows & in_columns)[..., tf.newaxis], GREY, images)


def _is_in_box(size: int, centre: tf.Tensor) -> tf.Tensor:
    steps = tf.range(size) - centre[:, tf.newaxis] + size // 2 // 2
    return (steps >= 0) & (steps < size // 2)


def _integers(
    images: tf.Tensor, seed: tf.Tensor, lows: list[int], highs: list[int]
) -> list[tf.Tensor]:
    """Returns for each pair of bounds uniform integers between them, both included: int32 (n,)."""
    draws = noise.uniform(tf.shape(images)[0], (len(lows),), seed)
    bounds = zip(lows, highs, strict=True)
    return [
        low + tf.cast(draws[:, index] * (high - low + 1), tf.int32)
        for index, (low, high) in enumerate(bounds)
    ]


AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "colour": _colour,
    "translation": _translation,
    "cutout": _cutout,
}
