"""Generative adversarial network: a generator learns from a discriminator that tells its images from real ones.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014; convolutions: Radford et al. (DCGAN), ICLR 2016.

    discriminator_loss = fake_or_real(discriminator(images), discriminator(generator(latents)))
                       + gradient_penalty_weight * gradient_penalty      (wasserstein_gp)
                       + r1_weight / 2 * |gradient of discriminator(images)|^2
    generator_loss     = fool(discriminator(generator(latents)))

The losses, all on logits: `LOSSES`. Samples come from an exponential moving average of the generator. `augmentations`
change all images at random before the discriminator, penalties included (as Karras et al. 2020 do, StyleGAN2-ADA).
Departures from DCGAN: fully connected layers at the narrow end; sigmoid outputs, which the discriminator rescales to
[-1, 1]; batch normalisation in the discriminator is a setting; the penalties. Spectral normalisation is Keras's layer,
whose gradient does not pass through the norm (Miyato et al. 2018 let it).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from pydantic import Field, PositiveInt, model_validator

from genlab.imaging.arrays import ImageShape
from genlab.networks import augmentation, noise, optimization, trunks
from genlab.networks.convolution import Conv2D
from genlab.networks.trunks import Losses
from genlab.settings.params import AdamSettings

FASTEST_PRECISION = {("cpu_bfloat16", "convolutional"): "mixed_bfloat16"}
"""What `precision: auto` is, by arithmetic and network; else float32. Measured: docs/decisions/0006."""


class Settings(AdamSettings):
    """An entry of `kind: gan` in `params.yaml`."""

    network: Literal["dense", "convolutional"]
    latent_dim: int = Field(ge=1)
    prior: Literal["normal", "uniform"]
    widths: tuple[PositiveInt, ...] = Field(min_length=1)
    generator_filters: tuple[PositiveInt, ...] = Field(min_length=1)
    discriminator_filters: tuple[PositiveInt, ...] = Field(min_length=1)
    discriminator_normalisation: Literal["none", "batch", "spectral"]
    loss: Literal["non_saturating", "minimax", "least_squares", "wasserstein_gp", "hinge"]
    label_smoothing: float = Field(ge=0, lt=0.5)
    gradient_penalty_weight: float = Field(ge=0)
    r1_weight: float = Field(ge=0)
    r1_every_steps: int = Field(ge=1)
    augmentations: tuple[augmentation.Name, ...]
    discriminator_steps: int = Field(ge=1)
    average_decay: float = Field(ge=0, lt=1)
    generator_learning_rate: float = Field(gt=0)
    discriminator_learning_rate: float = Field(gt=0)

    @property
    def images_per_step(self) -> int:
        """Every discriminator step sees real images of its own."""
        return self.batch_size * self.discriminator_steps

    @model_validator(mode="after")
    def _smoothing_needs_labels(self) -> "Settings":
        if self.label_smoothing and self.loss in ("wasserstein_gp", "hinge"):
            raise ValueError(
                f"label_smoothing must be 0 with loss: {self.loss}, which has no labels"
            )
        return self


# Networks


def build_generator(settings: Settings, image_shape: ImageShape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to logits of images (n, height, width, channels)."""
    if settings.network == "dense":
        return trunks.dense_decoder(settings.latent_dim, image_shape, settings.widths[::-1])
    return trunks.convolutional_decoder(
        settings.latent_dim, image_shape, settings.generator_filters, batch_norm=True
    )


def build_discriminator(settings: Settings, image_shape: ImageShape) -> keras.Model:
    """Returns the network from images in [0, 1] to one logit each (n,): large where it thinks the image real."""
    images = keras.Input(image_shape, name="images")
    hidden = layers.Rescaling(2.0, offset=-1.0)(images)
    if settings.network == "dense":
        hidden = layers.Flatten()(hidden)
        stack = [layers.Dense(width) for width in settings.widths]
    else:
        stack = [
            Conv2D(count, 4, strides=2, padding="same") for count in settings.discriminator_filters
        ]
    for index, layer in enumerate(stack):
        hidden = _normalised(
            layer, hidden, "none" if index == 0 else settings.discriminator_normalisation
        )
        hidden = layers.LeakyReLU(trunks.LEAK)(hidden)
    logits = layers.Dense(1)(layers.Flatten()(hidden))
    return keras.Model(images, trunks.as_float32(layers.Reshape(())(logits)), name="discriminator")


def _normalised(layer: layers.Layer, hidden: tf.Tensor, normalisation: str) -> tf.Tensor:
    if normalisation == "spectral":
        return layers.SpectralNormalization(layer)(hidden)
    return (
        trunks.batch_normalisation()(layer(hidden)) if normalisation == "batch" else layer(hidden)
    )


# Loss terms, means over the batch. `real` and `fake` are the discriminator's logits (n,) of real and generated images.


def cross_entropy_discriminator(
    real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Returns -log sigmoid(real) - log(1 - sigmoid(fake)); one-sided smoothing (Salimans et al. 2016): () nats."""
    return tf.reduce_mean(tf.nn.softplus(real) - (1 - label_smoothing) * real) + tf.reduce_mean(
        tf.nn.softplus(fake)
    )


def non_saturating_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns -log sigmoid(fake) (Goodfellow et al. 2014, section 3): () nats."""
    return tf.reduce_mean(tf.nn.softplus(-fake))


def minimax_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns log(1 - sigmoid(fake)) (Goodfellow et al. 2014, equation 1): () nats."""
    return -tf.reduce_mean(tf.nn.softplus(fake))


def least_squares_discriminator(
    real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Returns (real - 1)^2 / 2 + fake^2 / 2 (Mao et al. 2017, equation 9): ()."""
    return 0.5 * (
        tf.reduce_mean(tf.square(real - (1 - label_smoothing))) + tf.reduce_mean(tf.square(fake))
    )


def least_squares_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns (fake - 1)^2 / 2 (Mao et al. 2017, equation 9): ()."""
    return 0.5 * tf.reduce_mean(tf.square(fake - 1))


def wasserstein_discriminator(
    real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Returns fake - real, the critic's loss without its penalty (Gulrajani et al. 2017, equation 3): ()."""
    del label_smoothing
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


def hinge_discriminator(real: tf.Tensor, fake: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Returns max(0, 1 - real) + max(0, 1 + fake) (Miyato et al. 2018, equation 16): ()."""
    del label_smoothing
    return tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + fake))


def linear_generator(fake: tf.Tensor) -> tf.Tensor:
    """Returns -fake (Gulrajani et al. 2017; Miyato et al. 2018, equation 17): ()."""
    return -tf.reduce_mean(fake)


class AdversarialLoss(NamedTuple):
    """The two sides of one objective."""

    discriminator: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]
    generator: Callable[[tf.Tensor], tf.Tensor]


MIXTURES, FAKES, REAL = 1, 2, 3
"""Whose draws these are; the latents' are those of the seed itself."""

LOSSES = {
    "non_saturating": AdversarialLoss(cross_entropy_discriminator, non_saturating_generator),
    "minimax": AdversarialLoss(cross_entropy_discriminator, minimax_generator),
    "least_squares": AdversarialLoss(least_squares_discriminator, least_squares_generator),
    "wasserstein_gp": AdversarialLoss(wasserstein_discriminator, linear_generator),
    "hinge": AdversarialLoss(hinge_discriminator, linear_generator),
}


def with_squared_gradients(
    function: Callable[..., tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `function` of each image, and the squared norm of its gradient there, summed over pixels: (n,) each."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = function(images)
    return outputs, tf.reduce_sum(tf.square(tape.gradient(outputs, images)), axis=(1, 2, 3))


def gradient_penalty(
    function: Callable[..., tf.Tensor], images: tf.Tensor, fakes: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Returns (|gradient| - 1)^2 at points drawn uniformly between pairs (Gulrajani et al. 2017, algorithm 1): ()."""
    share = noise.uniform(tf.shape(images)[0], (1, 1, 1), seed)
    _, squares = with_squared_gradients(function, images + share * (fakes - images))
    return tf.reduce_mean(tf.square(tf.sqrt(squares + 1e-12) - 1))


class GAN(keras.Model):
    """Generator, its moving average and discriminator. Images are float32 (n, height, width, channels) in [0, 1]."""

    loss_names = ("discriminator_loss", "generator_loss", "penalty", "real_logit", "fake_logit")

    def __init__(self, settings: Settings, image_shape: ImageShape):
        super().__init__(name="gan")
        self.settings = settings
        self.generator = build_generator(settings, image_shape)
        self.average_generator = build_generator(settings, image_shape)
        self.average_generator.set_weights(self.generator.get_weights())
        self.average_generator.trainable = False
        self.discriminator = build_discriminator(settings, image_shape)
        self.built = True

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns the averaged generator's images in [0, 1] of latents (n, latent_dim)."""
        return tf.sigmoid(self.average_generator(latents, training=False))

    def draw_latents(self, num_images: int, seed: int) -> np.ndarray:
        """Returns draws from the prior, float32 (num_images, latent_dim); the first ones whatever the number."""
        generator, shape = np.random.default_rng(seed), (num_images, self.settings.latent_dim)
        if self.settings.prior == "uniform":
            return generator.random(shape, np.float32) * 2 - 1
        return generator.standard_normal(shape, np.float32)

    def sample(self, num_images: int, seed: int) -> tf.Tensor:
        """Returns images in [0, 1] of draws from the prior."""
        return self.decode(self.draw_latents(num_images, seed))

    def make_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Returns one Adam for the generator and one for the discriminator, built."""
        settings = self.settings
        generator = optimization.adam(settings, settings.generator_learning_rate, settings.steps)
        generator.build(self.generator.trainable_variables)
        discriminator_steps = settings.steps * settings.discriminator_steps
        discriminator = optimization.adam(
            settings, settings.discriminator_learning_rate, discriminator_steps
        )
        discriminator.build(self.discriminator.trainable_variables)
        return {"generator": generator, "discriminator": discriminator}

    def update(
        self, images: tf.Tensor, seed: tf.Tensor, optimizers: dict[str, keras.optimizers.Optimizer]
    ) -> Losses:
        """Makes the discriminator's steps and one generator step; the last fakes serve both.

        Args:
            images: Real images (discriminator_steps * batch, height, width, channels).
            seed: Of all that is drawn in this step, int32 (2,).
            optimizers: As made by `make_optimizers`.

        Returns:
            The generator's loss, and the discriminator's losses as means over its steps.
        """
        rounds = self.settings.discriminator_steps
        *early, last = tf.split(images, rounds)
        *early_seeds, last_seed = tf.unstack(tf.random.experimental.stateless_split(seed, rounds))
        losses = []
        for real, round_seed in zip(early, early_seeds, strict=True):
            fakes = self._fakes(tf.shape(real)[0], round_seed)
            losses.append(
                self._update_discriminator(real, fakes, round_seed, optimizers["discriminator"])
            )
        optimizer = optimizers["generator"]
        with tf.GradientTape() as tape:
            fakes = self._fakes(tf.shape(last)[0], last_seed)
            with tape.stop_recording():
                losses.append(
                    self._update_discriminator(last, fakes, last_seed, optimizers["discriminator"])
                )
            generator_loss = LOSSES[self.settings.loss].generator(self._discriminate(fakes))
            objective = optimizer.scale_loss(
                generator_loss / tf.distribute.get_strategy().num_replicas_in_sync
            )
        variables = self.generator.trainable_variables
        optimizer.apply(tape.gradient(objective, variables), variables)
        means = {
            name: tf.reduce_mean([of_round[name] for of_round in losses]) for name in losses[0]
        }
        return means | {"generator_loss": generator_loss}

    def _fakes(self, num_images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the generator's images as the discriminator sees them."""
        return self._augment(
            tf.sigmoid(self.generator(self._draw(num_images, seed), training=True)), seed, FAKES
        )

    def _draw(self, num_images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = (self.settings.latent_dim,)
        if self.settings.prior == "uniform":
            return noise.uniform(num_images, shape, seed, -1.0, 1.0)
        return noise.normal(num_images, shape, seed)

    def _augment(self, images: tf.Tensor, seed: tf.Tensor, whose: int) -> tf.Tensor:
        return augmentation.augment(
            images, self.settings.augmentations, noise.other_seed(seed, whose)
        )

    def _discriminate(self, images: tf.Tensor) -> tf.Tensor:
        return self.discriminator(images, training=True)

    def _update_discriminator(
        self,
        images: tf.Tensor,
        fakes: tf.Tensor,
        seed: tf.Tensor,
        optimizer: keras.optimizers.Optimizer,
    ) -> Losses:
        settings, images = self.settings, self._augment(images, seed, REAL)

        def compute_losses() -> Losses:
            real, penalty = self._judge(images, optimizer.iterations)
            fake = self._discriminate(fakes)
            if settings.loss == "wasserstein_gp":
                excess = gradient_penalty(
                    self._discriminate, images, fakes, noise.other_seed(seed, MIXTURES)
                )
                penalty += settings.gradient_penalty_weight * excess
            loss = LOSSES[settings.loss].discriminator(real, fake, settings.label_smoothing)
            means = {"real_logit": tf.reduce_mean(real), "fake_logit": tf.reduce_mean(fake)}
            return means | {"loss": loss + penalty, "discriminator_loss": loss, "penalty": penalty}

        losses = optimization.descend(
            compute_losses, self.discriminator.trainable_variables, optimizer
        )
        losses.pop("loss")
        return losses

    def _judge(self, images: tf.Tensor, iterations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the logits of real images and R1 (Mescheder et al. 2018, equation 9), weighted, from one pass.

        R1 comes every `r1_every_steps`, as many times as strong. On several devices it is always computed: batch
        normalisation cannot synchronise inside a branch.
        """
        settings, nothing = self.settings, tf.constant(0.0)

        def with_penalty() -> tuple[tf.Tensor, tf.Tensor]:
            logits, squares = with_squared_gradients(self._discriminate, images)
            return logits, settings.r1_weight / 2 * settings.r1_every_steps * tf.reduce_mean(
                squares
            )

        if not settings.r1_weight:
            return self._discriminate(images), nothing
        due = iterations % settings.r1_every_steps == 0
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            logits, penalty = with_penalty()
            return logits, tf.where(due, penalty, nothing)
        return tf.cond(due, with_penalty, lambda: (self._discriminate(images), nothing))

    def average_weights(self, step: tf.Tensor) -> None:
        """Moves the averaged generator towards the present one; the first steps count less (Adam's kind of warm-up).

        Called once per step, outside of the replicas.
        """
        count = tf.cast(step, tf.float32)
        decay = tf.minimum(self.settings.average_decay, (1 + count) / (10 + count))
        for average, present in zip(
            self.average_generator.variables, self.generator.variables, strict=True
        ):
            average.assign(decay * average + (1 - decay) * present)


def build(settings: Settings, image_shape: ImageShape) -> GAN:
    """Returns the model for images of `image_shape`, built, with random weights."""
    return GAN(settings, image_shape)
