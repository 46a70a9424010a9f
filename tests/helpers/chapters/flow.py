"""A tiny flow: each pixel is scaled and shifted noise, so that its likelihood is known."""

import math

import keras
import tensorflow as tf

from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Losses, Optimizers, Step
from genlab.networks import noise, optimization
from genlab.settings.params import ModelSettings

TINY = {"learning_rate": 0.01}


class Settings(ModelSettings):
    learning_rate: float


class Flow(keras.Model):
    loss_names = ("loss",)
    given = ()
    prior = "normal"
    likelihood_mean = "logarithms"

    def __init__(self, settings: Settings, spec: Spec):
        super().__init__(name="flow")
        self.settings = settings
        self.noise_shape = spec["images"].shape
        self.shift = self.add_weight(shape=self.noise_shape, initializer="zeros", name="shift")
        self.log_scale = self.add_weight(shape=self.noise_shape, initializer="zeros", name="scale")
        self.built = True

    def generate(self, noise: tf.Tensor, given: Batch) -> tf.Tensor:
        del given
        return tf.clip_by_value(self.shift + tf.exp(self.log_scale) * noise, 0.0, 1.0)

    def log_likelihoods(self, images: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        del seed
        residuals = (images - self.shift) * tf.exp(-self.log_scale)
        terms = -0.5 * tf.square(residuals) - self.log_scale - 0.5 * math.log(2 * math.pi)
        exact = tf.reduce_sum(terms, axis=(1, 2, 3))
        return tf.repeat(exact[:, tf.newaxis], num_samples, axis=1)

    def compute_losses(self, batch: Batch, seed: tf.Tensor) -> Losses:
        images = batch["images"]
        dequantised = images + noise.uniform(tf.shape(images)[0], images.shape[1:], seed) / 256
        return {"loss": -tf.reduce_mean(self.log_likelihoods(dequantised, 1, seed))}

    def make_optimizers(self) -> Optimizers:
        optimizer = keras.optimizers.Adam(self.settings.learning_rate)
        optimizer.build(self.trainable_variables)
        return {"flow": optimizer}

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        return optimization.descend(
            lambda: self.compute_losses(batch, step.seed),
            self.trainable_variables,
            optimizers["flow"],
        )


def build(settings: Settings, spec: Spec) -> Flow:
    return Flow(settings, spec)
