"""The trunks that models share, so that they are compared at equal capacity.

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
    """Returns dense layers from images (n, height, width, channels) to (n, widths[-1])."""
    images = keras.Input(image_shape, name="images")
    hidden = layers.Flatten()(images)
    for width in widths:
        hidden = layers.Dense(width, activation=activation)(hidden)
    return keras.Model(images, hidden, name="encoder_trunk")


def dense_decoder(
    latent_dim: int, image_shape: Shape, widths: Sequence[int], activation: str = "relu"
) -> keras.Model:
    """Returns dense layers from latents (n, latent_dim) to logits (n, height, width, channels)."""
    latents = keras.Input((latent_dim,), name="latents")
    hidden = latents
    for width in widths:
        hidden = layers.Dense(width, activation=activation)(hidden)
    logits = layers.Dense(math.prod(image_shape))(hidden)
    return keras.Model(latents, as_float32(layers.Reshape(image_shape)(logits)), name="decoder")


def convolutional_encoder(image_shape: Shape, filters: Sequence[int], width: int) -> keras.Model:
    """Returns convolutions that halve the image per entry of `filters`, then a dense layer."""
    images = keras.Input(image_shape, name="images")
    hidden = images
    for count in filters:
        hidden = Conv2D(count, 4, strides=2, padding="same", activation="relu")(hidden)
    hidden = layers.Dense(width, activation="relu")(layers.Flatten()(hidden))
    return keras.Model(images, hidden, name="encoder_trunk")


def convolutional_decoder(
    latent_dim: int, image_shape: Shape, filters: Sequence[int], batch_norm: bool = False
) -> keras.Model:
    """Returns a dense layer and transposed convolutions from latents (n, latent_dim) to logits.

    Args:
        latent_dim: Size of a latent.
        image_shape: Height, width and channels. Any size: pixels beyond it are cropped.
        filters: Filters of the layers in the encoder's order, from the image to the latent.
        batch_norm: Whether to normalise before each activation (a GAN's generator).
    """
    height, width, channels = image_shape
    scales = [2**level for level in range(len(filters) + 1)]
    sizes = [(math.ceil(height / scale), math.ceil(width / scale)) for scale in scales]
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
    bottom, right = hidden.shape[1] - size[0], hidden.shape[2] - size[1]
    return layers.Cropping2D(((0, bottom), (0, right)))(hidden) if bottom or right else hidden


def batch_normalisation() -> layers.Layer:
    """Returns batch normalisation over the whole batch, also on several devices."""
    return BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=tf.distribute.has_strategy())


def as_float32(outputs: Any) -> Any:
    """Returns a network's outputs in float32, which losses need."""
    return layers.Activation("linear", dtype="float32")(outputs)
