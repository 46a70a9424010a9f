"""Generative adversarial network: a generator learns to fool a discriminator.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014; convolutions: Radford et al.
(DCGAN), ICLR 2016.

    discriminator_loss = fake_or_real(discriminator(images), discriminator(generator(latents)))
                       + gradient_penalty_weight * gradient_penalty      (wasserstein_gp)
                       + r1_weight / 2 * |gradient of discriminator(images)|^2
    generator_loss     = fool(discriminator(generator(latents)))

The losses act on logits and are in `networks/adversarial.py`. Samples come from an exponential
moving average of the generator. `augmentations` change all images at random before the
discriminator.

Departures from DCGAN: fully connected layers at the narrow end; sigmoid outputs, which the
discriminator rescales to [-1, 1]; batch normalisation in the discriminator is a setting; the
penalties. These take the gradient at the augmented image (for R1 StyleGAN2-ADA, Karras et al. 2020,
takes it at the image before), and with respect to images in [0, 1]: `r1_weight` w is gamma = 4 w
for images in [-1, 1], and the norm 1 of `wasserstein_gp` is 0.5 there. Spectral normalisation is
Keras's layer: its gradient does not pass through the norm (in Miyato et al. 2018 it does).
"""

from typing import Literal, NamedTuple

import keras
import tensorflow as tf
from keras import layers
from pydantic import Field, PositiveInt, model_validator

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Phase, Step
from genlab.networks import adversarial, augmentation, noise, optimization, trunks
from genlab.networks.convolution import Conv2D
from genlab.networks.trunks import Shape
from genlab.settings.params import AdamSettings

FASTEST_PRECISION = {("cpu_bfloat16", "convolutional"): "mixed_bfloat16"}
"""What `precision: auto` means, by arithmetic and network; else float32: docs/decisions/0006."""


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

    @model_validator(mode="after")
    def _smoothing_needs_labels(self) -> "Settings":
        if self.label_smoothing and self.loss in ("wasserstein_gp", "hinge"):
            raise ValueError(
                f"label_smoothing must be 0 with loss: {self.loss}, which has no labels"
            )
        return self

    @model_validator(mode="after")
    def _penalty_is_of_single_images(self) -> "Settings":
        """Gulrajani et al. 2017, section 4: batch normalisation makes it one of the batch."""
        if self.loss == "wasserstein_gp" and self.discriminator_normalisation == "batch":
            raise ValueError(
                "discriminator_normalisation must be none or spectral with loss: wasserstein_gp, "
                "whose penalty is of single images"
            )
        return self


# Networks


def build_generator(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from latents (n, latent_dim) to logits (n, height, width, channels)."""
    if settings.network == "dense":
        return trunks.dense_decoder(settings.latent_dim, image_shape, settings.widths[::-1])
    return trunks.convolutional_decoder(
        settings.latent_dim, image_shape, settings.generator_filters, batch_norm=True
    )


def build_discriminator(settings: Settings, image_shape: Shape) -> keras.Model:
    """Returns the network from images in [0, 1] to logits (n,): large means real."""
    images = keras.Input(image_shape, name="images")
    hidden = layers.Rescaling(2.0, offset=-1.0)(images)
    if settings.network == "dense":
        hidden = layers.Flatten()(hidden)
        stack = [layers.Dense(width) for width in settings.widths]
    else:
        filters = settings.discriminator_filters
        stack = [Conv2D(count, 4, strides=2, padding="same") for count in filters]
    normalisation = settings.discriminator_normalisation
    for index, layer in enumerate(stack):
        hidden = _normalised(layer, hidden, normalisation, has_batch_norm=index > 0)
        hidden = layers.LeakyReLU(trunks.LEAK)(hidden)
    head = _normalised(layers.Dense(1), layers.Flatten()(hidden), normalisation)
    return keras.Model(images, trunks.as_float32(layers.Reshape(())(head)), name="discriminator")


def _normalised(
    layer: layers.Layer, hidden: tf.Tensor, normalisation: str, has_batch_norm: bool = False
) -> tf.Tensor:
    """Returns a layer's outputs, normalised.

    Spectral normalisation is for every layer (Miyato et al. 2018), batch normalisation for all but
    the first and the last (Radford et al. 2016).
    """
    if normalisation == "spectral":
        return layers.SpectralNormalization(layer)(hidden)
    outputs = layer(hidden)
    is_batch = normalisation == "batch" and has_batch_norm
    return trunks.batch_normalisation()(outputs) if is_batch else outputs


MIXTURES, FAKES, REAL = 1, 2, 3
"""Purposes of draws beside the latents, which use the round's own seed."""


class Round(NamedTuple):
    """One discriminator update: real images, its seed, int32 (2,), and its number, from 0."""

    real: tf.Tensor
    seed: tf.Tensor
    number: tf.Tensor


class GAN(keras.Model):
    """Generator, moving average of the generator, and discriminator."""

    loss_names = ("discriminator_loss", "generator_loss", "penalty", "real_logit", "fake_logit")
    given = ()

    def __init__(self, settings: Settings, image_shape: Shape):
        super().__init__(name="gan")
        self.settings = settings
        self.prior = settings.prior
        self.noise_shape = (settings.latent_dim,)
        self.generator = build_generator(settings, image_shape)
        self.average_generator = build_generator(settings, image_shape)
        self.average_generator.set_weights(self.generator.get_weights())
        self.average_generator.trainable = False
        self.discriminator = build_discriminator(settings, image_shape)
        self.built = True

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        """Returns the images of latents (n, latent_dim), by the averaged generator."""
        del given
        return tf.sigmoid(self.average_generator(noise, training=False))

    def make_optimizers(self) -> Optimizers:
        """Returns one Adam for the generator and one for the discriminator, built."""
        settings = self.settings
        generator = optimization.adam(settings, settings.generator_learning_rate, settings.steps)
        generator.build(self.generator.trainable_variables)
        steps = settings.steps * settings.discriminator_steps
        discriminator = optimization.adam(settings, settings.discriminator_learning_rate, steps)
        discriminator.build(self.discriminator.trainable_variables)
        return {"generator": generator, "discriminator": discriminator}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        """Makes the discriminator's updates, then the generator's on the last update's fakes.

        Args:
            batch: Real images (discriminator_steps * n, height, width, channels).
            step: The seed of all draws; the number tells when R1 is due.
            optimizers: The result of `make_optimizers`.

        Returns:
            The generator's loss, and the discriminator's losses as means over its updates.
        """
        *earlier, last = self._rounds(batch["images"], step)
        optimizer = optimizers["discriminator"]
        losses = [
            self._update_discriminator(part, self._fakes(part), optimizer) for part in earlier
        ]
        with tf.GradientTape() as tape:
            fakes = self._fakes(last)
            with tape.stop_recording():
                losses.append(self._update_discriminator(last, fakes, optimizer))
            objective = adversarial.LOSSES[self.settings.loss]
            generator_loss = objective.generator(self._discriminate(fakes))
            loss = optimization.share_of_loss(generator_loss, optimizers["generator"])
        variables = self.generator.trainable_variables
        optimizers["generator"].apply(tape.gradient(loss, variables), variables)
        means = {name: tf.reduce_mean([part[name] for part in losses]) for name in losses[0]}
        return means | {"generator_loss": generator_loss}

    def _rounds(self, images: tf.Tensor, step: Step) -> list[Round]:
        num_rounds = self.settings.discriminator_steps
        parts = tf.split(images, num_rounds)
        seeds = tf.unstack(tf.random.experimental.stateless_split(step.seed, num_rounds))
        numbers = [step.number * num_rounds + index for index in range(num_rounds)]
        return [Round(*values) for values in zip(parts, seeds, numbers, strict=True)]

    def _fakes(self, part: Round) -> tf.Tensor:
        """Returns the generator's images, augmented."""
        latents = noise.draw(tf.shape(part.real)[0], self.noise_shape, part.seed, self.prior)
        images = tf.sigmoid(self.generator(latents, training=True))
        return self._augment(images, part.seed, FAKES)

    def _augment(self, images: tf.Tensor, seed: tf.Tensor, purpose: int) -> tf.Tensor:
        own_seed = noise.other_seed(seed, purpose)
        return augmentation.augment(images, self.settings.augmentations, own_seed)

    def _discriminate(self, images: tf.Tensor) -> tf.Tensor:
        return self.discriminator(images, training=True)

    def _update_discriminator(
        self, part: Round, fakes: tf.Tensor, optimizer: keras.optimizers.Optimizer
    ) -> Losses:
        settings = self.settings
        images = self._augment(part.real, part.seed, REAL)

        def compute_losses() -> Losses:
            real, penalty = self._judge(images, part.number)
            fake = self._discriminate(fakes)
            if settings.loss == "wasserstein_gp":
                seed = noise.other_seed(part.seed, MIXTURES)
                excess = adversarial.gradient_penalty(self._discriminate, images, fakes, seed)
                penalty += settings.gradient_penalty_weight * excess
            objective = adversarial.LOSSES[settings.loss]
            loss = objective.discriminator(real, fake, settings.label_smoothing)
            means = {"real_logit": tf.reduce_mean(real), "fake_logit": tf.reduce_mean(fake)}
            return means | {"loss": loss + penalty, "discriminator_loss": loss, "penalty": penalty}

        variables = self.discriminator.trainable_variables
        losses = optimization.descend(compute_losses, variables, optimizer)
        losses.pop("loss")
        return losses

    def _judge(self, images: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the logits of real images and R1 (Mescheder et al. 2018, equation 9), weighted.

        R1 applies to every `r1_every_steps`-th update, multiplied by that number. On several
        devices it is always computed: batch normalisation cannot synchronise inside a branch.
        """
        settings = self.settings
        nothing = tf.constant(0.0)

        def with_penalty() -> tuple[tf.Tensor, tf.Tensor]:
            logits, squares = adversarial.with_squared_gradients(self._discriminate, images)
            weight = settings.r1_weight / 2 * settings.r1_every_steps
            return logits, weight * tf.reduce_mean(squares)

        if not settings.r1_weight:
            return self._discriminate(images), nothing
        is_due = number % settings.r1_every_steps == 0
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            logits, penalty = with_penalty()
            return logits, tf.where(is_due, penalty, nothing)
        return tf.cond(is_due, with_penalty, lambda: (self._discriminate(images), nothing))

    def average_weights(self, number: tf.Tensor) -> None:
        """Moves the average towards the generator; it forgets the first steps faster."""
        count = tf.cast(number, tf.float32)
        decay = tf.minimum(self.settings.average_decay, (1 + count) / (10 + count))
        pairs = zip(self.average_generator.variables, self.generator.variables, strict=True)
        for average, current in pairs:
            average.assign(decay * average + (1 - decay) * current)


def phases(settings: Settings) -> tuple[Phase, ...]:
    """Returns one phase with one batch for each update of the discriminator."""
    return (Phase(settings.steps, settings.batch_size, settings.discriminator_steps),)


def build(settings: Settings, spec: Spec) -> GAN:
    """Returns the model for a data set's images, built, with random weights."""
    return GAN(settings, spec["images"].shape)
