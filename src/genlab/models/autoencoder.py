"""Autoencoder: a narrow code from which the images can be rebuilt.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006.

    loss = reconstruction_weight * reconstruction_loss(images, decode(encode(images)))
         + sparsity_weight * |encode(images)|_1

Departures from the paper: trained end to end with Adam instead of layer by layer; ReLU instead of logistic units.
An autoencoder has no prior: it samples only from a density that is fitted to its latents after training.
"""

from typing import Literal

import keras
import tensorflow as tf
from keras import layers
from pydantic import Field, PositiveInt

from genlab.imaging.arrays import ImageShape
from genlab.networks import optimization, trunks
from genlab.networks.trunks import Losses
from genlab.settings.params import AdamSettings


class Settings(AdamSettings):
    """An entry of `kind: autoencoder` in `params.yaml`."""

    network: Literal["dense", "convolutional"]
    latent_dim: int = Field(ge=1)
    widths: tuple[PositiveInt, ...] = Field(min_length=1)
    filters: tuple[PositiveInt, ...] = Field(min_length=1)
    reconstruction_loss: Literal["l2", "l1", "bce"]
    reconstruction_weight: float = Field(ge=0)
    sparsity_weight: float = Field(ge=0)
    learning_rate: float = Field(gt=0)


# Networks


def build_encoder(settings: Settings, image_shape: ImageShape) -> keras.Model:
    """Returns the network from images (n, height, width, channels) to latents (n, latent_dim)."""
    if settings.network == "dense":
        trunk = trunks.dense_encoder(image_shape, settings.widths)
    else:
        trunk = trunks.convolutional_encoder(image_shape, settings.filters, settings.widths[-1])
    latents = layers.Dense(settings.latent_dim, dtype="float32")(trunk.output)
    return keras.Model(trunk.input, latents, name="encoder")


def build_decoder(settings: Settings, image_shape: ImageShape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to logits (n, height, width, channels)."""
    if settings.network == "dense":
        return trunks.dense_decoder(settings.latent_dim, image_shape, settings.widths[::-1])
    return trunks.convolutional_decoder(settings.latent_dim, image_shape, settings.filters)


# Loss terms, each summed over pixels and averaged over the batch


def l2(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the squared error of sigmoid(logits), summed over pixels, mean over the batch: ()."""
    return tf.reduce_mean(tf.reduce_sum(tf.square(images - tf.sigmoid(logits)), axis=(1, 2, 3)))


def l1(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the absolute error of sigmoid(logits), summed over pixels, mean over the batch: ()."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(images - tf.sigmoid(logits)), axis=(1, 2, 3)))


def bce(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the binary cross-entropy of grey values in [0, 1], summed over pixels, mean over the batch: () nats."""
    return tf.reduce_mean(
        tf.reduce_sum(optimization.sigmoid_cross_entropy(images, logits), axis=(1, 2, 3))
    )


def sparsity(latents: tf.Tensor) -> tf.Tensor:
    """Returns the absolute latents (n, latent_dim), summed over dimensions, mean over the batch: ()."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(latents), axis=1))


RECONSTRUCTION_LOSSES = {"l2": l2, "l1": l1, "bce": bce}


# The model


class Autoencoder(keras.Model):
    """Encoder and decoder. Images are float32 (n, height, width, channels) in [0, 1]."""

    loss_names = ("loss", "reconstruction_loss", "sparsity")

    def __init__(self, settings: Settings, image_shape: ImageShape):
        super().__init__(name="autoencoder")
        self.settings = settings
        self.encoder = build_encoder(settings, image_shape)
        self.decoder = build_decoder(settings, image_shape)
        self.built = True

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the latents (n, latent_dim) of images."""
        return self.encoder(images)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns the images in [0, 1] of latents (n, latent_dim)."""
        return tf.sigmoid(self.decoder(latents))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the images rebuilt from their latents, in [0, 1]."""
        return self.decode(self.encode(images))

    def compute_losses(self, images: tf.Tensor, seed: tf.Tensor) -> Losses:
        """Returns the terms and their weighted sum, `loss`; nothing is drawn, so the seed is not used."""
        del seed
        latents = self.encoder(images)
        reconstruction_loss = RECONSTRUCTION_LOSSES[self.settings.reconstruction_loss](
            images, self.decoder(latents)
        )
        penalty = sparsity(latents)
        loss = (
            self.settings.reconstruction_weight * reconstruction_loss
            + self.settings.sparsity_weight * penalty
        )
        return {"loss": loss, "reconstruction_loss": reconstruction_loss, "sparsity": penalty}

    def make_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Returns Adam, built on all trainable variables."""
        optimizer = optimization.adam(
            self.settings, self.settings.learning_rate, self.settings.steps
        )
        optimizer.build(self.trainable_variables)
        return {"autoencoder": optimizer}

    def update(
        self, images: tf.Tensor, seed: tf.Tensor, optimizers: dict[str, keras.optimizers.Optimizer]
    ) -> Losses:
        """Makes one training step on a batch and returns its losses."""
        return optimization.descend(
            lambda: self.compute_losses(images, seed),
            self.trainable_variables,
            optimizers["autoencoder"],
        )


def build(settings: Settings, image_shape: ImageShape) -> Autoencoder:
    """Returns the model for images of `image_shape`, built, with random weights."""
    return Autoencoder(settings, image_shape)
