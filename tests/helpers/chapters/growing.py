"""A tiny model that grows: grey images first, then with pixels, in batches of another size."""

import math

import keras
import tensorflow as tf
from keras import layers

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Phase, Step
from genlab.networks import noise, optimization
from genlab.settings.params import ModelSettings

TINY = {
    "steps": 7,
    "latent_dim": 3,
    "learning_rate": 0.01,
    "grown_steps": 5,
    "grown_batch_size": 6,
}


class Settings(ModelSettings):
    latent_dim: int
    learning_rate: float
    grown_steps: int
    grown_batch_size: int


def phases(settings: Settings) -> tuple[Phase, ...]:
    grown = Phase(settings.grown_steps, settings.grown_batch_size)
    return (Phase(settings.steps, settings.batch_size), grown)


class Growing(keras.Model):
    loss_names = ("loss", "drift")
    given = ()
    prior = "normal"

    def __init__(self, settings: Settings, spec: Spec):
        super().__init__(name="growing")
        self.settings = settings
        self.noise_shape = (settings.latent_dim,)
        shape = spec["images"].shape
        latents = keras.Input(self.noise_shape)
        grey = layers.Reshape((1, 1, 1))(layers.Dense(1)(latents))
        pixels = layers.Reshape(shape)(layers.Dense(math.prod(shape))(latents))
        self.network = keras.Model(latents, [grey, pixels])
        self.level = self.add_weight(shape=(), initializer="zeros", trainable=False, name="level")
        self.average = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")
        self.shape = shape
        self.built = True

    def begin(self, phase: int, optimizers: Optimizers) -> None:
        """Adds the pixels; Adam forgets what it knew, as in progressive growing."""
        self.level.assign(float(phase))
        if phase:
            for variable in optimizers["growing"].variables[1:]:
                if variable.name != "learning_rate":
                    variable.assign(tf.zeros_like(variable))

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        del given
        grey, pixels = self.network(noise)
        return tf.sigmoid(grey + self.level * pixels)

    def average_weights(self, number: tf.Tensor) -> None:
        kernel = self.network.trainable_variables[0]
        count = tf.cast(number, tf.float32)
        self.average.assign((self.average * count + tf.reduce_mean(kernel)) / (count + 1))

    def make_optimizers(self) -> Optimizers:
        optimizer = keras.optimizers.Adam(self.settings.learning_rate)
        optimizer.build(self.trainable_variables)
        return {"growing": optimizer}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        images = batch["images"]
        latents = noise.normal(tf.shape(images)[0], self.noise_shape, step.seed)

        def compute_losses() -> Losses:
            errors = tf.square(self.generate(latents, {}) - images)
            loss = tf.reduce_mean(tf.reduce_sum(errors, axis=(1, 2, 3)))
            return {"loss": loss, "drift": tf.cast(step.number, tf.float32) + step.phase}

        return optimization.descend(compute_losses, self.trainable_variables, optimizers["growing"])


def build(settings: Settings, spec: Spec) -> Growing:
    return Growing(settings, spec)
