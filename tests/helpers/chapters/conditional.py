"""A tiny conditional generator: one layer from noise and a class to images of that class."""

import keras
import tensorflow as tf
from keras import layers

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Step
from genlab.networks import noise, optimization
from genlab.settings.params import ModelSettings

TINY = {"latent_dim": 3, "learning_rate": 0.01}


class Settings(ModelSettings):
    latent_dim: int
    learning_rate: float


def takes(settings: Settings) -> tuple[str, ...]:
    return ("images", "labels")


class Conditional(keras.Model):
    loss_names = ("loss",)
    given = ("labels",)
    prior = "uniform"

    def __init__(self, settings: Settings, spec: Spec):
        super().__init__(name="conditional")
        self.settings = settings
        self.noise_shape = (settings.latent_dim,)
        shape, num_classes = spec["images"].shape, len(spec["labels"].class_names)
        latents, labels = keras.Input(self.noise_shape), keras.Input((num_classes,))
        size = 1
        for length in shape:
            size *= length
        pixels = layers.Dense(size)(layers.Concatenate()([0.1 * latents, labels]))
        images = layers.Reshape(shape)(layers.Activation("sigmoid")(pixels))
        self.network = keras.Model([latents, labels], images)
        self.num_classes = num_classes
        self.built = True

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        return self.network([noise, tf.one_hot(given["labels"], self.num_classes)])

    def compute_losses(self, batch: Batch, seed: tf.Tensor) -> Losses:
        latents = noise.draw(tf.shape(batch["images"])[0], self.noise_shape, seed, self.prior)
        images = self.generate(latents, batch)
        errors = tf.reduce_sum(tf.square(images - batch["images"]), axis=(1, 2, 3))
        return {"loss": tf.reduce_mean(errors)}

    def make_optimizers(self) -> Optimizers:
        optimizer = keras.optimizers.Adam(self.settings.learning_rate)
        optimizer.build(self.trainable_variables)
        return {"conditional": optimizer}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        return optimization.descend(
            lambda: self.compute_losses(batch, step.seed),
            self.trainable_variables,
            optimizers["conditional"],
        )


def build(settings: Settings, spec: Spec) -> Conditional:
    return Conditional(settings, spec)
