"""Variational autoencoder: an encoder to a normal posterior, a decoder from a standard normal prior.

Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; weights other than 1: Higgins et al., ICLR 2017.

    loss = reconstruction_weight * E_q[-log p(images | latents)] + kl_weight * KL(q(latents | images) || N(0, 1))

With both weights 1 the loss is the negative evidence lower bound (negative ELBO) in nats per image. In the first
`kl_warmup_steps` of training `kl_weight` rises from 0; the KL of each latent dimension counts at least `free_bits`.
The expectation is over one posterior draw, or the mean over `num_importance_samples` of them; the KL is exact.
With `objective: importance_weighted` it is the bound of Burda et al., "Importance Weighted Autoencoders", ICLR 2016:

    loss = -E[log mean of p(images | latents) p(latents) / q(latents | images) over k draws from the posterior]

With k = 1 that is the negative ELBO with its KL at the draw, log q - log p, not the exact one.
Departures from the papers: Adam with a schedule of its own; unless `data.binarisation` says otherwise, grey values are
scored with the Bernoulli likelihood as they are (the convention of most tutorials), which is not normalised over
[0, 1]. The first paper's units are tanh (`activation`).
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf
from keras import layers
from pydantic import Field, PositiveInt, model_validator

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Step
from genlab.networks import noise, optimization, trunks
from genlab.networks.trunks import Shape
from genlab.numerics.posterior import ACTIVE_VARIANCE
from genlab.settings.params import AdamSettings

LOWEST_KL = -1e-3
"""Nats per image: a KL divergence is never negative; rounding in float32 stays above this."""

NO_WEIGHTS = {"reconstruction_weight": 1, "kl_weight": 1, "kl_warmup_steps": 0, "free_bits": 0}


class Settings(AdamSettings):
    """An entry of `kind: vae` in `params.yaml`."""

    network: Literal["dense", "convolutional"]
    latent_dim: int = Field(ge=1)
    widths: tuple[PositiveInt, ...] = Field(min_length=1)
    filters: tuple[PositiveInt, ...] = Field(min_length=1)
    activation: Literal["relu", "tanh"]
    objective: Literal["elbo", "importance_weighted"]
    num_importance_samples: int = Field(ge=1)
    reconstruction_weight: float = Field(ge=0)
    kl_weight: float = Field(ge=0)
    kl_warmup_steps: int = Field(ge=0)
    free_bits: float = Field(ge=0)
    learning_rate: float = Field(gt=0)

    @model_validator(mode="after")
    def _has_what_it_asks_for(self) -> "Settings":
        if self.network == "convolutional" and self.activation != "relu":
            raise ValueError(
                f"activation must be relu with network: convolutional. Received: activation={self.activation}"
            )
        for name, neutral in NO_WEIGHTS.items():
            if self.objective == "importance_weighted" and getattr(self, name) != neutral:
                raise ValueError(
                    f"{name} must be {neutral:g} with objective: importance_weighted, which has no two terms to weigh. "
                    f"Received: {name}={getattr(self, name)}"
                )
        return self


# Networks


def build_encoder(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from images to the posterior's mean and log-variance, each (n, latent_dim).

    The trunk is shared by both; neither head has an activation.
    """
    if settings.network == "dense":
        trunk = trunks.dense_encoder(image_shape, settings.widths, settings.activation)
    else:
        trunk = trunks.convolutional_encoder(image_shape, settings.filters, settings.widths[-1])
    mean = layers.Dense(settings.latent_dim, name="mean", dtype="float32")(trunk.output)
    log_variance = layers.Dense(settings.latent_dim, name="log_variance", dtype="float32")(
        trunk.output
    )
    return keras.Model(trunk.input, [mean, log_variance], name="encoder")


def build_decoder(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to the likelihood's logits (n, height, width, channels)."""
    if settings.network == "dense":
        return trunks.dense_decoder(
            settings.latent_dim, image_shape, settings.widths[::-1], settings.activation
        )
    return trunks.convolutional_decoder(settings.latent_dim, image_shape, settings.filters)


# Loss terms


def bernoulli_loss(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns -log p(images | latents) of grey values in [0, 1], summed over pixels: (n,) nats."""
    return tf.reduce_sum(optimization.sigmoid_cross_entropy(images, logits), axis=(1, 2, 3))


@tf.custom_gradient
def kl_per_dimension(
    mean: tf.Tensor, log_variance: tf.Tensor
) -> tuple[tf.Tensor, Callable[..., Any]]:
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


class Draws(NamedTuple):
    """Draws from posteriors: latents (n, num_draws, latent_dim), and log p(latents) - log q(latents | images).

    The latter, (n, num_draws) nats, summed over dimensions: prior over posterior density at each draw.
    """

    latents: tf.Tensor
    log_ratios: tf.Tensor


def draw(mean: tf.Tensor, log_variance: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
    """Returns `num_draws` reparameterised draws from each posterior, whose parameters are each (n, latent_dim)."""
    noises = noise.normal(tf.shape(mean)[0], (num_draws, mean.shape[1]), seed)
    mean, log_variance = mean[:, tf.newaxis], log_variance[:, tf.newaxis]
    latents = mean + tf.exp(0.5 * log_variance) * noises
    log_ratios = 0.5 * (
        log_variance + tf.square(noises) - tf.square(latents)
    )  # both have the factor 1 / sqrt(2 pi)
    return Draws(latents, tf.reduce_sum(log_ratios, axis=2))


def importance_weighted_loss(log_weights: tf.Tensor) -> tf.Tensor:
    """Returns -log of the mean weight of each image (n, num_draws), mean over the batch: () nats.

    Burda et al. 2016, equation 8. Its gradient (equation 14) is that of the log weights, weighted by the normalised
    weights: what the derivative of a log-sum-exp is.
    """
    count = math.log(log_weights.shape[1])
    return tf.reduce_mean(count - tf.reduce_logsumexp(log_weights, axis=1))


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
    """Encoder, decoder and prior."""

    loss_names = ("loss", "reconstruction_loss", "kl", "negative_elbo")
    given = ()
    prior = "normal"
    likelihood_mean = "probabilities"

    def __init__(self, settings: Settings, image_shape: Shape):
        super().__init__(name="vae")
        self.settings = settings
        self.latent_dim = settings.latent_dim
        self.noise_shape = (settings.latent_dim,)
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

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        """Returns the images of draws from the prior (n, latent_dim)."""
        del given
        return self.decode(noise)

    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns -log p(images | latents), (n,) nats, at one posterior draw, and the KL, (n, latent_dim) nats."""
        mean, log_variance = self.posterior(images)
        logits = self.decoder(reparameterise(mean, log_variance, seed))
        return bernoulli_loss(images, logits), kl_per_dimension(mean, log_variance)

    def reconstruction_losses(self, images: tf.Tensor, latents: tf.Tensor) -> tf.Tensor:
        """Returns -log p(images | latents) at each of several latents (n, num_draws, latent_dim): (n, num_draws)."""
        num_draws, latent_dim = latents.shape[1:]
        logits = self.decoder(tf.reshape(latents, (-1, latent_dim)))
        return tf.reshape(
            bernoulli_loss(tf.repeat(images, num_draws, axis=0), logits), (-1, num_draws)
        )

    def log_likelihoods(self, images: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns log p(images, latents) - log q(latents | images) at draws from q: (n, num_samples) nats.

        The mean of their exponentials is an unbiased estimate of p(images) (Burda et al. 2016, section 2). Densities
        are computed in float32, the decoder in the precision that it was trained in.
        """
        draws = draw(*self.posterior(images), num_samples, seed)
        return draws.log_ratios - self.reconstruction_losses(images, draws.latents)

    def compute_losses(self, batch: Batch, seed: tf.Tensor) -> Losses:
        """Returns the weighted `loss`, its terms and the unweighted negative ELBO: nats per image, batch means."""
        return self._compute_losses(batch["images"], seed, self.settings.kl_weight)

    def _compute_losses(
        self, images: tf.Tensor, seed: tf.Tensor, kl_weight: tf.Tensor | float
    ) -> Losses:
        if self.settings.objective == "importance_weighted":
            return self._importance_weighted_losses(images, seed)
        reconstruction_losses, kls = self._averaged_terms(images, seed)
        reconstruction_loss = tf.reduce_mean(reconstruction_losses)
        kl = tf.reduce_mean(tf.reduce_sum(kls, axis=1))
        counted = free_kl(kls, self.settings.free_bits) if self.settings.free_bits else kl
        loss = self.settings.reconstruction_weight * reconstruction_loss + kl_weight * counted
        negative_elbo = reconstruction_loss + kl
        return {
            "loss": loss,
            "reconstruction_loss": reconstruction_loss,
            "kl": kl,
            "negative_elbo": negative_elbo,
        }

    def _averaged_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the terms of the ELBO, -log p(images | latents) at one draw or (n, num_draws) at several."""
        num_draws = self.settings.num_importance_samples
        if num_draws == 1:
            return self.elbo_terms(images, seed)
        mean, log_variance = self.posterior(images)
        latents = draw(mean, log_variance, num_draws, seed).latents
        return self.reconstruction_losses(images, latents), kl_per_dimension(mean, log_variance)

    def _importance_weighted_losses(self, images: tf.Tensor, seed: tf.Tensor) -> Losses:
        """Returns the importance-weighted `loss`; the other terms are those of the ELBO at the same draws."""
        mean, log_variance = self.posterior(images)
        draws = draw(mean, log_variance, self.settings.num_importance_samples, seed)
        losses = self.reconstruction_losses(images, draws.latents)
        reconstruction_loss = tf.reduce_mean(losses)
        kl = tf.reduce_mean(tf.reduce_sum(kl_per_dimension(mean, log_variance), axis=1))
        terms = {
            "reconstruction_loss": reconstruction_loss,
            "kl": kl,
            "negative_elbo": reconstruction_loss + kl,
        }
        return {"loss": importance_weighted_loss(draws.log_ratios - losses)} | terms

    def diagnostics(self, batch: Batch) -> Losses:
        """Returns the KL of each dimension, nats per image, and the number of active units (Burda et al. 2016)."""
        mean, log_variance = self.posterior(batch["images"])
        kls = tf.reduce_mean(kl_per_dimension(mean, log_variance), axis=0)
        digits = len(str(self.settings.latent_dim - 1))
        named = {
            f"kl_of_dimension_{index:0{digits}}": kls[index]
            for index in range(self.settings.latent_dim)
        }
        active = tf.reduce_sum(
            tf.cast(tf.math.reduce_variance(mean, axis=0) > ACTIVE_VARIANCE, tf.float32)
        )
        return named | {"active_units": active}

    def check_losses(self, losses: dict[str, float]) -> None:
        """Raises a FloatingPointError where the KL is negative beyond rounding."""
        if losses["kl"] < LOWEST_KL or math.isnan(losses["kl"]):
            raise FloatingPointError(
                f"kl must be at least {LOWEST_KL} nats per image. Received: {losses['kl']}."
            )

    def make_optimizers(self) -> Optimizers:
        """Returns Adam, built on all trainable variables."""
        optimizer = optimization.adam(
            self.settings, self.settings.learning_rate, self.settings.steps
        )
        optimizer.build(self.trainable_variables)
        return {"vae": optimizer}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        """Makes one training step on a batch; `loss` has the KL's weight of this step."""
        kl_weight = self.kl_weight(step.number)
        return optimization.descend(
            lambda: self._compute_losses(batch["images"], step.seed, kl_weight),
            self.trainable_variables,
            optimizers["vae"],
        )

    def kl_weight(self, number: tf.Tensor) -> tf.Tensor | float:
        """Returns the KL's weight in a step; it rises linearly (Bowman et al. 2016, section 3.1)."""
        weight, warmup_steps = self.settings.kl_weight, self.settings.kl_warmup_steps
        if not warmup_steps:
            return weight
        return weight * tf.minimum(tf.cast(number, tf.float32) / warmup_steps, 1.0)


def build(settings: Settings, spec: Spec) -> VAE:
    """Returns the model for the images of a data set, built, with random weights."""
    return VAE(settings, spec["images"].shape)
