"""A loop written by hand in TensorFlow, on the same models: `python -m benchmarks.bare_loop vae`.

The images lie on the device as uint8, a batch is gathered by random indices, many steps are one
call; Keras's Adam at a constant rate. Nothing is recorded, checked, saved or reproducible.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from benchmarks import workloads
from benchmarks.contestant import Task, main_of_loop
from genlab.networks import adversarial

Step = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Images, float32 in [0, 1], and a seed, int32 (2,), to the loss."""


def make(task: Task) -> Callable[[int], object]:
    """Returns the function that makes steps."""
    step, data = make_step(task), tf.constant(task.read_images())

    @tf.function(autograph=False)
    def advance(first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        def body(number: tf.Tensor, loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            indices = tf.random.uniform((task.batch_size,), 0, len(data), tf.int32)
            images = tf.cast(tf.gather(data, indices), tf.float32) / 255.0
            return number + 1, loss + step(images, tf.stack([0, number]))

        start = first, tf.constant(0.0)
        return tf.while_loop(lambda number, loss: number < first + count, body, start)[1]

    total = 0

    def make_steps(count: int) -> None:
        nonlocal total
        advance(tf.constant(total), tf.constant(count)).numpy()
        total += count

    return make_steps


def make_step(task: Task) -> Step:
    """Builds the model of a task and returns its training step."""
    keras.config.set_dtype_policy(task.precision)
    keras.utils.set_random_seed(0)
    return steps_of(workloads.build(task.model, batch_size=task.batch_size))


def steps_of(model: Any) -> Step:
    """Returns the training step of a model."""
    return (_adversarial_step if workloads.is_adversarial(model) else _descent_step)(model)


class _Descent:
    """Adam on some variables."""

    def __init__(self, settings: Any, learning_rate: float, variables: list[Any]):
        betas = {"beta_1": settings.beta_1, "beta_2": settings.beta_2}
        self._variables = variables
        self._optimizer = keras.optimizers.Adam(learning_rate, **betas)
        self._optimizer.build(variables)

    def step(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        gradients = tape.gradient(loss, self._variables)
        self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))


def _descent_step(model: Any) -> Step:
    descent = _Descent(model.settings, model.settings.learning_rate, model.trainable_variables)

    def step(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = model.compute_losses({"images": images}, seed)["loss"]
        descent.step(tape, loss)
        return loss

    return step


def _adversarial_step(model: Any) -> Step:
    """One step of the discriminator, one of the generator on the same fakes, one of its average."""
    settings, losses = model.settings, adversarial.LOSSES[model.settings.loss]
    generator, discriminator = model.generator, model.discriminator
    generator_descent, discriminator_descent = (
        _Descent(settings, rate, network.trainable_variables)
        for rate, network in (
            (settings.generator_learning_rate, generator),
            (settings.discriminator_learning_rate, discriminator),
        )
    )
    averages = list(zip(model.average_generator.variables, generator.variables, strict=True))

    def update_discriminator(images: tf.Tensor, fakes: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            real, fake = discriminator(images, training=True), discriminator(fakes, training=True)
            loss = losses.discriminator(real, fake, settings.label_smoothing)
        discriminator_descent.step(tape, loss)

    def step(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        latents = tf.random.stateless_normal((settings.batch_size, settings.latent_dim), seed)
        with tf.GradientTape() as tape:
            fakes = tf.sigmoid(generator(latents, training=True))
            with tape.stop_recording():
                update_discriminator(images, fakes)
            loss = losses.generator(discriminator(fakes, training=True))
        generator_descent.step(tape, loss)
        for mean, present in averages:
            mean.assign(settings.average_decay * mean + (1 - settings.average_decay) * present)
        return loss

    return step


if __name__ == "__main__":
    main_of_loop(make)
