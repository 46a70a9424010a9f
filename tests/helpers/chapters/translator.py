"""A tiny translator: one layer from a picture to another, by the absolute error, without noise."""

import math

import keras
import tensorflow as tf
from keras import layers

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Step
from genlab.networks import optimization
from genlab.settings.params import ModelSettings

TINY = {"learning_rate": 0.01}


class Settings(ModelSettings):
    learning_rate: float


def takes(settings: Settings) -> tuple[str, ...]:
    return ("images", "inputs")


class Translator(keras.Model):
    loss_names = ("loss",)
    given = ("inputs",)
    noise_shape = ()
    prior = "normal"

    def __init__(self, settings: Settings, spec: Spec):
        super().__init__(name="translator")
        self.settings = settings
        shape = spec["images"].shape
        inputs = keras.Input(spec["inputs"].shape)
        pixels = layers.Dense(math.prod(shape), activation="sigmoid")(layers.Flatten()(inputs))
        self.network = keras.Model(inputs, layers.Reshape(shape)(pixels))
        self.built = True

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        del noise
        return self.network(given["inputs"])

    def compute_losses(self, batch: Batch, seed: tf.Tensor) -> Losses:
        errors = tf.abs(self.network(batch["inputs"]) - batch["images"])
        return {"loss": tf.reduce_mean(tf.reduce_sum(errors, axis=(1, 2, 3)))}

    def make_optimizers(self) -> Optimizers:
        optimizer = keras.optimizers.Adam(self.settings.learning_rate)
        optimizer.build(self.trainable_variables)
        return {"translator": optimizer}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        return optimization.descend(
            lambda: self.compute_losses(batch, step.seed),
            self.trainable_variables,
            optimizers["translator"],
        )


def build(settings: Settings, spec: Spec) -> Translator:
    return Translator(settings, spec)
