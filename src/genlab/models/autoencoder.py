"""Autoencoder: a narrow code from which the images can be rebuilt.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 2006.

    loss = reconstruction_weight * reconstruction_loss(images, decode(encode(images)))
         + sparsity_weight * |encode(images)|_1

Departures from the paper: trained end to end with Adam instead of layer by layer; ReLU instead of
logistic units. An autoencoder has no prior: samples come only from a density that is fitted to its
latents after training.
"""

from functools import partial
from typing import Literal

import keras
import tensorflow as tf
from keras import layers
from pydantic import Field, PositiveInt

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Step
from genlab.networks import optimization, trunks
from genlab.networks.trunks import Shape
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


def build_encoder(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from images (n, height, width, channels) to latents (n, latent_dim)."""
    if settings.network == "dense":
        trunk = trunks.dense_encoder(image_shape, settings.widths)
    else:
        trunk = trunks.convolutional_encoder(image_shape, settings.filters, settings.widths[-1])
    latents = layers.Dense(settings.latent_dim, dtype="float32")(trunk.output)
    return keras.Model(trunk.input, latents, name="encoder")


def build_decoder(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to logits (n, height, width, channels)."""
    if settings.network == "dense":
        return trunks.dense_decoder(settings.latent_dim, image_shape, settings.widths[::-1])
    return trunks.convolutional_decoder(settings.latent_dim, image_shape, settings.filters)


# Loss terms, each summed over pixels and averaged over the batch


def l2(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the squared error of sigmoid(logits): ()."""
    return tf.reduce_mean(tf.reduce_sum(tf.square(images - tf.sigmoid(logits)), axis=(1, 2, 3)))


def l1(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the absolute error of sigmoid(logits): ()."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(images - tf.sigmoid(logits)), axis=(1, 2, 3)))


def bce(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the binary cross-entropy of grey values in [0, 1]: () nats."""
    losses = optimization.sigmoid_cross_entropy(images, logits)
    return tf.reduce_mean(tf.reduce_sum(losses, axis=(1, 2, 3)))


def sparsity(latents: tf.Tensor) -> tf.Tensor:
    """Returns the absolute latents (n, latent_dim), summed over dimensions: ()."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(latents), axis=1))


RECONSTRUCTION_LOSSES = {"l2": l2, "l1": l1, "bce": bce}


class Autoencoder(keras.Model):
    """Encoder and decoder."""

    loss_names = ("loss", "reconstruction_loss", "sparsity")

    def __init__(self, settings: Settings, image_shape: Shape):
        super().__init__(name="autoencoder")
        self.settings = settings
        self.latent_dim = settings.latent_dim
        self.encoder = build_encoder(settings, image_shape)
        self.decoder = build_decoder(settings, image_shape)
        self.built = True

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the latents (n, latent_dim)."""
        return self.encoder(images)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns the images of latents (n, latent_dim)."""
        return tf.sigmoid(self.decoder(latents))

    def compute_losses(self, batch: Batch, seed: tf.Tensor) -> Losses:
        """Returns the terms and their weighted sum, `loss`; the seed has no effect."""
        del seed
        images = batch["images"]
        latents = self.encoder(images)
        reconstruct = RECONSTRUCTION_LOSSES[self.settings.reconstruction_loss]
        reconstruction_loss = reconstruct(images, self.decoder(latents))
        penalty = sparsity(latents)
        loss = self.settings.reconstruction_weight * reconstruction_loss
        loss += self.settings.sparsity_weight * penalty
        return {"loss": loss, "reconstruction_loss": reconstruction_loss, "sparsity": penalty}

    def make_optimizers(self) -> Optimizers:
        """Returns Adam, built on all trainable variables."""
        adam = optimization.adam(self.settings, self.settings.learning_rate, self.settings.steps)
        adam.build(self.trainable_variables)
        return {"autoencoder": adam}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        """Makes one training step and returns its losses."""
        losses = partial(self.compute_losses, batch, step.seed)
        return optimization.descend(losses, self.trainable_variables, optimizers["autoencoder"])


def build(settings: Settings, spec: Spec) -> Autoencoder:
    """Returns the model for a data set's images, built, with random weights."""
    return Autoencoder(settings, spec["images"].shape)
