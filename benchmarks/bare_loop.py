"""The loop that one would write by hand in TensorFlow, on the same models: `python -m benchmarks.bare_loop vae`.

The images lie on the device as uint8, a batch is gathered by random indices, many steps are one call; Keras's Adam at
a constant rate. Nothing is recorded, checked, saved or made to repeat.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from benchmarks import workloads
from benchmarks.contestant import Task, main_of_loop

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

        return tf.while_loop(
            lambda number, loss: number < first + count, body, (first, tf.constant(0.0))
        )[1]

    made = 0

    def make_steps(count: int) -> None:
        nonlocal made
        advance(tf.constant(made), tf.constant(count)).numpy()
        made += count

    return make_steps


def make_step(task: Task) -> Step:
    """Builds the model of a task and returns its training step."""
    keras.config.set_dtype_policy(task.precision)
    keras.utils.set_random_seed(0)
    chapter, settings = workloads.settings(task.model, batch_size=task.batch_size)
    model = chapter.build(settings, workloads.IMAGE_SHAPE)
    return _adversarial_step(model, chapter) if settings.kind == "gan" else _descent_step(model)


def _adam(settings: Any, learning_rate: float, variables: list[Any]) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(learning_rate, beta_1=settings.beta_1, beta_2=settings.beta_2)
    optimizer.build(variables)
    return optimizer


def _descent_step(model: Any) -> Step:
    variables = model.trainable_variables
    optimizer = _adam(model.settings, model.settings.learning_rate, variables)

    def step(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = model.compute_losses(images, seed)["loss"]
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def _adversarial_step(model: Any, chapter: Any) -> Step:
    """One step of the discriminator, one of the generator from the same latents, one of the generator's average."""
    settings, losses = model.settings, chapter.LOSSES[model.settings.loss]
    generator, discriminator, average = (
        model.generator,
        model.discriminator,
        model.average_generator,
    )
    of_generator, of_discriminator = (
        generator.trainable_variables,
        discriminator.trainable_variables,
    )
    generator_adam = _adam(settings, settings.generator_learning_rate, of_generator)
    discriminator_adam = _adam(settings, settings.discriminator_learning_rate, of_discriminator)

    def update_discriminator(images: tf.Tensor, fakes: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            real, fake = discriminator(images, training=True), discriminator(fakes, training=True)
            loss = losses.discriminator(real, fake, settings.label_smoothing)
        discriminator_adam.apply_gradients(
            zip(tape.gradient(loss, of_discriminator), of_discriminator, strict=True)
        )

    def step(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        latents = tf.random.stateless_normal((settings.batch_size, settings.latent_dim), seed)
        with tf.GradientTape() as tape:
            fakes = tf.sigmoid(generator(latents, training=True))
            with tape.stop_recording():
                update_discriminator(images, fakes)
            loss = losses.generator(discriminator(fakes, training=True))
        generator_adam.apply_gradients(
            zip(tape.gradient(loss, of_generator), of_generator, strict=True)
        )
        for mean, present in zip(average.variables, generator.variables, strict=True):
            mean.assign(settings.average_decay * mean + (1 - settings.average_decay) * present)
        return loss

    return step


if __name__ == "__main__":
    main_of_loop(make)
