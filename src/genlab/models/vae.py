"""Variational autoencoder: an encoder to a normal posterior, a decoder from a standard normal prior.

Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; weights other than 1: Higgins et al., ICLR 2017.

    loss = reconstruction_weight * E_q[-log p(images | latents)] + kl_weight * KL(q(latents | images) || N(0, 1))

With both weights 1 the loss is the negative evidence lower bound (negative ELBO) in nats per image. In the first
`kl_warmup_steps` of training `kl_weight` rises from 0; the KL of each latent dimension counts at least `free_bits`.
Departures from the paper: ReLU instead of tanh; grey values are scored with the Bernoulli likelihood as they are (the
convention of most tutorials), so the likelihood is not normalised over [0, 1].
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from pydantic import Field, PositiveInt

from genlab import networks, noise, optimization
from genlab.images import ImageShape
from genlab.networks import Losses
from genlab.params import AdamSettings

LOWEST_KL = -1e-3
"""Nats per image: a KL divergence is never negative; rounding in float32 stays above this."""

ACTIVE_VARIANCE = 0.01
"""A latent dimension is active where its posterior mean varies more than this (Burda et al. 2016, section 5.2)."""


class Settings(AdamSettings):
    """An entry of `kind: vae` in `params.yaml`."""

    network: Literal["dense", "convolutional"]
    latent_dim: int = Field(ge=1)
    widths: tuple[PositiveInt, ...] = Field(min_length=1)
    filters: tuple[PositiveInt, ...] = Field(min_length=1)
    reconstruction_weight: float = Field(ge=0)
    kl_weight: float = Field(ge=0)
    kl_warmup_steps: int = Field(ge=0)
    free_bits: float = Field(ge=0)
    learning_rate: float = Field(gt=0)


# Networks


def build_encoder(settings: Settings, image_shape: ImageShape) -> keras.Model:
    """Returns the network from images to the posterior's mean and log-variance, each (n, latent_dim).

    The trunk is shared by both; neither head has an activation.
    """
    if settings.network == "dense":
        trunk = networks.dense_encoder(image_shape, settings.widths)
    else:
        trunk = networks.convolutional_encoder(image_shape, settings.filters, settings.widths[-1])
    mean = layers.Dense(settings.latent_dim, name="mean", dtype="float32")(trunk.output)
    log_variance = layers.Dense(settings.latent_dim, name="log_variance", dtype="float32")(trunk.output)
    return keras.Model(trunk.input, [mean, log_variance], name="encoder")


def build_decoder(settings: Settings, image_shape: ImageShape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to the likelihood's logits (n, height, width, channels)."""
    if settings.network == "dense":
        return networks.dense_decoder(settings.latent_dim, image_shape, settings.widths[::-1])
    return networks.convolutional_decoder(settings.latent_dim, image_shape, settings.filters)


# Loss terms


def bernoulli_loss(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns -log p(images | latents) of grey values in [0, 1], summed over pixels: (n,) nats."""
    return tf.reduce_sum(optimization.sigmoid_cross_entropy(images, logits), axis=(1, 2, 3))


@tf.custom_gradient
def kl_per_dimension(mean: tf.Tensor, log_variance: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
    """Returns KL(N(mean, exp(log_variance)) || N(0, 1)) of each dimension: (n, latent_dim) nats.

    Kingma and Welling 2014, appendix B, written with expm1: no cancellation near the prior. The gradient is written
    out so that log_variance gets one part from here and one from the draw: TensorFlow adds three parts in an order
    that depends on the machine's load, and equal runs would differ in the last bit.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return upstream * mean, 0.5 * upstream * tf.math.expm1(log_variance)

    return 0.5 * (tf.square(mean) + tf.math.expm1(log_variance) - log_variance), gradient


def reparameterise(mean: tf.Tensor, log_variance: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns one draw from each posterior (n, latent_dim): mean + deviation * noise, the reparameterisation trick."""
    return mean + tf.exp(0.5 * log_variance) * noise.normal(tf.shape(mean)[0], mean.shape[1:], seed)


def free_kl(kls: tf.Tensor, free_bits: float) -> tf.Tensor:
    """Returns the batch mean of the KL (n, latent_dim), summed over dimensions, each at least `free_bits`: () nats.

    Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", NeurIPS 2016: a dimension that
    has less is not pushed any further. The batch is that of all devices.
    """
    of_dimension = tf.reduce_mean(kls, axis=0)
    above = optimization.mean_over_devices(tf.stop_gradient(of_dimension)) > free_bits
    return tf.reduce_sum(tf.where(above, of_dimension, free_bits))


# The model


class VAE(keras.Model):
    """Encoder, decoder and prior. Images are float32 (n, height, width, channels) in [0, 1]."""

    loss_names = ("loss", "reconstruction_loss", "kl", "negative_elbo")

    def __init__(self, settings: Settings, image_shape: ImageShape):
        super().__init__(name="vae")
        self.settings = settings
        self.encoder = build_encoder(settings, image_shape)
        self.decoder = build_decoder(settings, image_shape)
        self.built = True

    def posterior(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the mean and the log-variance of q(latents | images), each (n, latent_dim)."""
        mean, log_variance = self.encoder(images)
        return mean, log_variance

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the posterior means (n, latent_dim) of images."""
        return self.posterior(images)[0]

    def draw_posterior(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns one draw from the posterior of each image (n, latent_dim)."""
        return reparameterise(*self.posterior(images), seed)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns the likelihood's means, images in [0, 1], of latents (n, latent_dim)."""
        return tf.sigmoid(self.decoder(latents))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the images rebuilt from their posterior means, in [0, 1]."""
        return self.decode(self.encode(images))

    def draw_latents(self, num_images: int, seed: int) -> np.ndarray:
        """Returns draws from the prior, float32 (num_images, latent_dim); the first ones whatever the number."""
        return np.random.default_rng(seed).standard_normal((num_images, self.settings.latent_dim), np.float32)

    def sample(self, num_images: int, seed: int) -> tf.Tensor:
        """Returns images in [0, 1] of draws from the prior."""
        return self.decode(self.draw_latents(num_images, seed))

    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns -log p(images | latents), (n,) nats, at one posterior draw, and the KL, (n, latent_dim) nats."""
        mean, log_variance = self.posterior(images)
        logits = self.decoder(reparameterise(mean, log_variance, seed))
        return bernoulli_loss(images, logits), kl_per_dimension(mean, log_variance)

    def compute_losses(self, images: tf.Tensor, seed: tf.Tensor) -> Losses:
        """Returns the weighted `loss`, its terms and the unweighted negative ELBO: nats per image, batch means."""
        return self._compute_losses(images, seed, self.settings.kl_weight)

    def _compute_losses(self, images: tf.Tensor, seed: tf.Tensor, kl_weight: tf.Tensor | float) -> Losses:
        reconstruction_losses, kls = self.elbo_terms(images, seed)
        reconstruction_loss = tf.reduce_mean(reconstruction_losses)
        kl = tf.reduce_mean(tf.reduce_sum(kls, axis=1))
        counted = free_kl(kls, self.settings.free_bits) if self.settings.free_bits else kl
        loss = self.settings.reconstruction_weight * reconstruction_loss + kl_weight * counted
        negative_elbo = reconstruction_loss + kl
        return {"loss": loss, "reconstruction_loss": reconstruction_loss, "kl": kl, "negative_elbo": negative_elbo}

    def latent_diagnostics(self, images: tf.Tensor) -> Losses:
        """Returns the KL of each dimension, nats per image, and the number of active units (Burda et al. 2016)."""
        mean, log_variance = self.posterior(images)
        kls = tf.reduce_mean(kl_per_dimension(mean, log_variance), axis=0)
        digits = len(str(self.settings.latent_dim - 1))
        named = {f"kl_of_dimension_{index:0{digits}}": kls[index] for index in range(self.settings.latent_dim)}
        active = tf.reduce_sum(tf.cast(tf.math.reduce_variance(mean, axis=0) > ACTIVE_VARIANCE, tf.float32))
        return named | {"active_units": active}

    def check_losses(self, losses: dict[str, float]) -> None:
        """Raises a FloatingPointError where the KL is negative beyond rounding."""
        if losses["kl"] < LOWEST_KL or math.isnan(losses["kl"]):
            raise FloatingPointError(f"kl must be at least {LOWEST_KL} nats per image. Received: {losses['kl']}.")

    def make_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Returns Adam, built on all trainable variables."""
        optimizer = optimization.adam(self.settings, self.settings.learning_rate, self.settings.steps)
        optimizer.build(self.trainable_variables)
        return {"vae": optimizer}

    def update(self, images: tf.Tensor, seed: tf.Tensor, optimizers: dict[str, keras.optimizers.Optimizer]) -> Losses:
        """Makes one training step on a batch and returns its losses; `loss` has the KL's weight of this step."""
        optimizer = optimizers["vae"]
        kl_weight = self.kl_weight(optimizer.iterations)
        return optimization.descend(
            lambda: self._compute_losses(images, seed, kl_weight), self.trainable_variables, optimizer
        )

    def kl_weight(self, step: tf.Tensor) -> tf.Tensor | float:
        """Returns the KL's weight in a step, counted from 0: it rises linearly (Bowman et al. 2016, section 3.1)."""
        weight, warmup_steps = self.settings.kl_weight, self.settings.kl_warmup_steps
        return weight * tf.minimum(tf.cast(step, tf.float32) / warmup_steps, 1.0) if warmup_steps else weight


def build(settings: Settings, image_shape: ImageShape) -> VAE:
    """Returns the model for images of `image_shape`, built, with random weights."""
    return VAE(settings, image_shape)
