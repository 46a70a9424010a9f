"""The trunks that the models share, so that they are compared at equal capacity; losses are never shared.

Every network is a functional `keras.Model`: its weights are found by name when they are loaded.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from genlab.networks.convolution import Conv2D, Conv2DTranspose
from genlab.networks.normalisation import BatchNormalization

Shape = tuple[int, ...]
LEAK = 0.2
"""Slope of the leaky ReLU below 0 (Radford et al. 2016)."""


def dense_encoder(
    image_shape: Shape, widths: Sequence[int], activation: str = "relu"
) -> keras.Model:
    """Returns fully connected layers from images (n, height, width, channels) to (n, widths[-1])."""
    images = keras.Input(image_shape, name="images")
    hidden = layers.Flatten()(images)
    for width in widths:
        hidden = layers.Dense(width, activation=activation)(hidden)
    return keras.Model(images, hidden, name="encoder_trunk")


def dense_decoder(
    latent_dim: int, image_shape: Shape, widths: Sequence[int], activation: str = "relu"
) -> keras.Model:
    """Returns fully connected layers from latents (n, latent_dim) to logits of images (n, height, width, channels)."""
    latents = keras.Input((latent_dim,), name="latents")
    hidden = latents
    for width in widths:
        hidden = layers.Dense(width, activation=activation)(hidden)
    logits = layers.Dense(math.prod(image_shape))(hidden)
    return keras.Model(latents, as_float32(layers.Reshape(image_shape)(logits)), name="decoder")


def convolutional_encoder(image_shape: Shape, filters: Sequence[int], width: int) -> keras.Model:
    """Returns convolutions that halve the image once per entry of `filters`, then one dense layer: (n, width)."""
    images = keras.Input(image_shape, name="images")
    hidden = images
    for count in filters:
        hidden = Conv2D(count, 4, strides=2, padding="same", activation="relu")(hidden)
    hidden = layers.Dense(width, activation="relu")(layers.Flatten()(hidden))
    return keras.Model(images, hidden, name="encoder_trunk")


def convolutional_decoder(
    latent_dim: int, image_shape: Shape, filters: Sequence[int], batch_norm: bool = False
) -> keras.Model:
    """Returns a dense layer and transposed convolutions from latents (n, latent_dim) to logits of images.

    Args:
        latent_dim: Size of a latent.
        image_shape: Height, width and channels; any size: what doubling overshoots is cropped.
        filters: Of the layers from the image's side to the latent's, as in the encoder.
        batch_norm: Whether batch normalisation stands between layer and activation (a GAN's generator).
    """
    height, width, channels = image_shape
    sizes = [
        (math.ceil(height / 2**level), math.ceil(width / 2**level))
        for level in range(len(filters) + 1)
    ]
    latents = keras.Input((latent_dim,), name="latents")
    hidden = layers.Dense(math.prod(sizes[-1]) * filters[-1], use_bias=not batch_norm)(latents)
    hidden = layers.Reshape((*sizes[-1], filters[-1]))(hidden)
    for level in reversed(range(len(filters))):
        hidden = layers.ReLU()(batch_normalisation()(hidden) if batch_norm else hidden)
        count, use_bias = (filters[level - 1], not batch_norm) if level else (channels, True)
        hidden = Conv2DTranspose(count, 4, strides=2, padding="same", use_bias=use_bias)(hidden)
        hidden = _crop(hidden, sizes[level])
    return keras.Model(latents, as_float32(hidden), name="decoder")


def _crop(hidden: Any, size: tuple[int, int]) -> Any:
    excess = [have - wanted for have, wanted in zip(hidden.shape[1:3], size, strict=True)]
    return layers.Cropping2D(((0, excess[0]), (0, excess[1])))(hidden) if any(excess) else hidden


def batch_normalisation() -> layers.Layer:
    """Returns batch normalisation whose statistics are those of the whole batch, also on several devices."""
    return BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=tf.distribute.has_strategy())


def as_float32(outputs: Any) -> Any:
    """Returns a network's outputs in float32, whatever the precision of its layers: losses need it."""
    return layers.Activation("linear", dtype="float32")(outputs)
