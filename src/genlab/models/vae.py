"""Variational autoencoder: encodes to a normal posterior, decodes from a standard normal prior.

Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; weights: Higgins et al., 2017.

    loss = reconstruction_weight * E_q[-log p(images | latents)]
         + kl_weight * KL(q(latents | images) || N(0, 1))

With both weights 1 this is the negative evidence lower bound (negative ELBO) in nats per image.
`kl_weight` rises from 0 during the first `kl_warmup_steps`; the KL of each latent dimension counts
as at least `free_bits`. The expectation is the mean over `num_importance_samples` draws, the KL is
exact. `objective: importance_weighted` is the bound of Burda et al., "Importance Weighted
Autoencoders", ICLR 2016, over k draws:

    loss = -E[log mean of p(images | latents) p(latents) / q(latents | images)]

With k = 1 it is the negative ELBO with the KL at the draw, log q - log p, instead of the exact KL.

Departures from the papers: Adam with its own schedule. Unless `data.binarisation` is set, grey
values are scored with the Bernoulli likelihood, as in most tutorials, although it is not normalised
over [0, 1]. The first paper's units are tanh (`activation`).
"""

import math
from collections.abc import Callable
from functools import partial
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
"""Nats per image. A KL divergence is never negative; float32 rounding stays above this."""

UNWEIGHTED = {"reconstruction_weight": 1, "kl_weight": 1, "kl_warmup_steps": 0, "free_bits": 0}


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
    def _check_combinations(self) -> "Settings":
        if self.network == "convolutional" and self.activation != "relu":
            raise ValueError(
                "activation must be relu with network: convolutional. "
                f"Received: activation={self.activation}"
            )
        for name, value in UNWEIGHTED.items() if self.objective == "importance_weighted" else ():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} must be {value:g} with objective: importance_weighted, whose loss has "
                    f"one term. Received: {name}={getattr(self, name)}"
                )
        return self


# Networks


def build_encoder(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from images to mean and log-variance, linear heads (n, latent_dim)."""
    if settings.network == "dense":
        trunk = trunks.dense_encoder(image_shape, settings.widths, settings.activation)
    else:
        trunk = trunks.convolutional_encoder(image_shape, settings.filters, settings.widths[-1])
    heads = [
        layers.Dense(settings.latent_dim, name=name, dtype="float32")(trunk.output)
        for name in ("mean", "log_variance")
    ]
    return keras.Model(trunk.input, heads, name="encoder")


def build_decoder(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to logits (n, height, width, channels)."""
    if settings.network == "dense":
        return trunks.dense_decoder(
            settings.latent_dim, image_shape, settings.widths[::-1], settings.activation
        )
    return trunks.convolutional_decoder(settings.latent_dim, image_shape, settings.filters)


# Loss terms


def bernoulli_loss(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns -log p(images | latents), summed over pixels: (n,) nats; images lie in [0, 1]."""
    return tf.reduce_sum(optimization.sigmoid_cross_entropy(images, logits), axis=(1, 2, 3))


@tf.custom_gradient
def kl_per_dimension(
    mean: tf.Tensor, log_variance: tf.Tensor
) -> tuple[tf.Tensor, Callable[..., Any]]:
    """Returns KL(N(mean, exp(log_variance)) || N(0, 1)) of each dimension: (n, latent_dim) nats.

    Kingma and Welling 2014, appendix B, with expm1 to avoid cancellation near the prior. The
    gradient is written out so that log_variance gets one part here and one from the draw: the order
    in which TensorFlow adds three parts, and so the last bit, depends on the machine's load.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return upstream * mean, 0.5 * upstream * tf.math.expm1(log_variance)

    return 0.5 * (tf.square(mean) + tf.math.expm1(log_variance) - log_variance), gradient


def reparameterise(mean: tf.Tensor, log_variance: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns one draw from each posterior, mean + deviation * noise: (n, latent_dim)."""
    return mean + tf.exp(0.5 * log_variance) * noise.normal(tf.shape(mean)[0], mean.shape[1:], seed)


class Draws(NamedTuple):
    """Latents (n, num_draws, latent_dim) and log p(latents) - log q(latents | images), in nats."""

    latents: tf.Tensor
    log_ratios: tf.Tensor


def draw(mean: tf.Tensor, log_variance: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
    """Returns `num_draws` draws from each posterior; mean and log_variance are (n, latent_dim)."""
    noises = noise.normal(tf.shape(mean)[0], (num_draws, mean.shape[1]), seed)
    mean, log_variance = mean[:, tf.newaxis], log_variance[:, tf.newaxis]
    latents = mean + tf.exp(0.5 * log_variance) * noises
    # The factor 1 / sqrt(2 pi) of both densities cancels.
    log_ratios = 0.5 * (log_variance + tf.square(noises) - tf.square(latents))
    return Draws(latents, tf.reduce_sum(log_ratios, axis=2))


def importance_weighted_loss(log_weights: tf.Tensor) -> tf.Tensor:
    """Returns -log of each image's mean weight (n, num_draws), mean over the batch: () nats.

    Burda et al. 2016, equation 8. Its gradient, equation 14, is the gradient of the log weights,
    weighted by the normalised weights: the derivative of a log-sum-exp.
    """
    count = math.log(log_weights.shape[1])
    return tf.reduce_mean(count - tf.reduce_logsumexp(log_weights, axis=1))


def free_kl(kls: tf.Tensor, free_bits: float) -> tf.Tensor:
    """Returns the sum over dimensions of the batch-mean KL, each at least `free_bits`: () nats.

    Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", NeurIPS 2016.
    A dimension whose mean over all devices is below `free_bits` has no gradient.
    """
    means = tf.reduce_mean(kls, axis=0)
    is_above = optimization.mean_over_devices(tf.stop_gradient(means)) > free_bits
    return tf.reduce_sum(tf.where(is_above, means, free_bits))


def elbo(reconstruction_losses: tf.Tensor, kls: tf.Tensor) -> Losses:
    """Returns the negative ELBO and its terms, unweighted, means over the batch: () nats each."""
    reconstruction_loss = tf.reduce_mean(reconstruction_losses)
    kl = tf.reduce_mean(tf.reduce_sum(kls, axis=1))
    terms = {"reconstruction_loss": reconstruction_loss, "kl": kl}
    return terms | {"negative_elbo": reconstruction_loss + kl}


class VAE(keras.Model):
    """Encoder and decoder."""

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
        """Returns mean and log-variance of q(latents | images), each (n, latent_dim)."""
        mean, log_variance = self.encoder(images)
        return mean, log_variance

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the posterior means (n, latent_dim)."""
        return self.posterior(images)[0]

    def draw_posterior(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns one draw from each image's posterior (n, latent_dim)."""
        return reparameterise(*self.posterior(images), seed)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns the likelihood's means, images in [0, 1]."""
        return tf.sigmoid(self.decoder(latents))

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        """Returns the images of draws (n, latent_dim) from the prior."""
        del given
        return self.decode(noise)

    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns -log p(images | latents) at one draw, (n,), and the KL, (n, latent_dim): nats."""
        mean, log_variance = self.posterior(images)
        logits = self.decoder(reparameterise(mean, log_variance, seed))
        return bernoulli_loss(images, logits), kl_per_dimension(mean, log_variance)

    def reconstruction_losses(self, images: tf.Tensor, latents: tf.Tensor) -> tf.Tensor:
        """Returns -log p(images | latents) at latents (n, num_draws, latent_dim), in nats."""
        num_draws, latent_dim = latents.shape[1:]
        logits = self.decoder(tf.reshape(latents, (-1, latent_dim)))
        losses = bernoulli_loss(tf.repeat(images, num_draws, axis=0), logits)
        return tf.reshape(losses, (-1, num_draws))

    def log_likelihoods(self, images: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns log p(images, latents) - log q(latents | images) at draws: (n, num_samples) nats.

        The mean of their exponentials is an unbiased estimate of p(images) (Burda et al. 2016,
        section 2). Densities are computed in float32, the decoder in its training's precision.
        """
        draws = draw(*self.posterior(images), num_samples, seed)
        return draws.log_ratios - self.reconstruction_losses(images, draws.latents)

    def compute_losses(self, batch: Batch, seed: tf.Tensor) -> Losses:
        """Returns the weighted `loss` and the unweighted bound and terms: batch means, nats."""
        return self._compute_losses(batch["images"], seed, self.settings.kl_weight)

    def _compute_losses(self, images: tf.Tensor, seed: tf.Tensor, kl_weight: Any) -> Losses:
        settings = self.settings
        if settings.objective == "elbo" and settings.num_importance_samples == 1:
            return self._weighted(*self.elbo_terms(images, seed), kl_weight)
        mean, log_variance = self.posterior(images)
        draws = draw(mean, log_variance, settings.num_importance_samples, seed)
        losses = self.reconstruction_losses(images, draws.latents)
        kls = kl_per_dimension(mean, log_variance)
        if settings.objective == "elbo":
            return self._weighted(losses, kls, kl_weight)
        return {"loss": importance_weighted_loss(draws.log_ratios - losses)} | elbo(losses, kls)

    def _weighted(self, losses: tf.Tensor, kls: tf.Tensor, kl_weight: Any) -> Losses:
        terms = elbo(losses, kls)
        kl = free_kl(kls, self.settings.free_bits) if self.settings.free_bits else terms["kl"]
        loss = self.settings.reconstruction_weight * terms["reconstruction_loss"] + kl_weight * kl
        return {"loss": loss} | terms

    def diagnostics(self, batch: Batch) -> Losses:
        """Returns each dimension's KL, nats, and the number of active units (Burda et al. 2016)."""
        mean, log_variance = self.posterior(batch["images"])
        kls = tf.reduce_mean(kl_per_dimension(mean, log_variance), axis=0)
        digits = len(str(kls.shape[0] - 1))
        values = {f"kl_of_dimension_{i:0{digits}}": kl for i, kl in enumerate(tf.unstack(kls))}
        is_active = tf.math.reduce_variance(mean, axis=0) > ACTIVE_VARIANCE
        return values | {"active_units": tf.reduce_sum(tf.cast(is_active, tf.float32))}

    def check_losses(self, losses: dict[str, float]) -> None:
        """Raises a FloatingPointError if the KL is negative beyond rounding."""
        if losses["kl"] < LOWEST_KL or math.isnan(losses["kl"]):
            raise FloatingPointError(
                f"kl must be at least {LOWEST_KL} nats per image. Received: {losses['kl']}."
            )

    def make_optimizers(self) -> Optimizers:
        """Returns Adam, built on all trainable variables."""
        adam = optimization.adam(self.settings, self.settings.learning_rate, self.settings.steps)
        adam.build(self.trainable_variables)
        return {"vae": adam}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        """Makes one training step; `loss` uses the KL weight of this step."""
        kl_weight = self.kl_weight(step.number)
        losses = partial(self._compute_losses, batch["images"], step.seed, kl_weight)
        return optimization.descend(losses, self.trainable_variables, optimizers["vae"])

    def kl_weight(self, number: tf.Tensor) -> tf.Tensor | float:
        """Returns the KL weight of a step; it rises linearly (Bowman et al. 2016, section 3.1)."""
        weight, warmup_steps = self.settings.kl_weight, self.settings.kl_warmup_steps
        if not warmup_steps:
            return weight
        return weight * tf.minimum(tf.cast(number, tf.float32) / warmup_steps, 1.0)


def build(settings: Settings, spec: Spec) -> VAE:
    """Returns the model for a data set's images, built, with random weights."""
    return VAE(settings, spec["images"].shape)
