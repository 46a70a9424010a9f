"""One step of gradient descent, Adam with its schedules, and a loss with a written-out gradient."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.optimizers import schedules

from genlab.contract.steps import Losses
from genlab.networks import devices
from genlab.settings.params import AdamSettings

FUSED_SIZE = 2**16
"""Entries from which a CPU updates a variable with the fused operation. On two cores it was 4 times
as fast as Keras at 2^17, 1.1 times at 2^15, 0.7 times at 2^13, where waking a thread dominates."""


def descend(
    compute_losses: Callable[[], Losses],
    variables: Sequence[Any],
    optimizer: keras.optimizers.Optimizer,
) -> Losses:
    """Makes one step of gradient descent on the entry `loss` of the losses, and returns them all.

    Each device sees its part of the batch; the gradient is that of the mean over the whole batch.
    """
    with tf.GradientTape() as tape:
        losses = compute_losses()
        objective = share_of_loss(losses["loss"], optimizer)
    optimizer.apply(tape.gradient(objective, variables), variables)
    return losses


def share_of_loss(loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """Returns this device's share of the mean loss over the whole batch, scaled in float16."""
    return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)


class Adam(keras.optimizers.Adam):
    """Keras's Adam with TensorFlow's fused update: one pass over a large variable instead of ten.

    `global_clipnorm` clips the whole batch's gradient, where Keras clips each device's part.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any) -> None:
        """Updates a variable and its moments (Kingma and Ba 2015, the form before section 2.1)."""
        if variable.shape.num_elements() < FUSED_SIZE and devices.kind() == "cpu":
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.cast(self.beta_1, dtype) ** step,
            beta2_power=tf.cast(self.beta_2, dtype) ** step,
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        return grads

    def _all_reduce_sum_gradients(
        self, grads_and_vars: list[tuple[Any, Any]]
    ) -> list[tuple[Any, Any]]:
        sums = super()._all_reduce_sum_gradients(grads_and_vars)
        if not self.global_clipnorm:
            return sums
        gradients, variables = zip(*sums, strict=True)
        gradients, _ = tf.clip_by_global_norm(gradients, self.global_clipnorm)
        return list(zip(gradients, variables, strict=True))


def adam(settings: AdamSettings, learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
    """Returns Adam, with loss scaling in float16.

    Args:
        settings: Betas, clipping norm, warm-up and schedule of the learning rate.
        learning_rate: The rate after the warm-up; it stays, or falls to 0 as a half cosine.
        steps: Steps of this optimizer in the whole training. The warm-up's share of them is its
            share of the training's steps.
    """
    warmup_steps = settings.warmup_steps * steps // settings.steps
    optimizer = Adam(
        _schedule(settings.learning_rate_schedule, learning_rate, warmup_steps, steps),
        beta_1=settings.beta_1,
        beta_2=settings.beta_2,
        global_clipnorm=settings.gradient_clip_norm,
    )
    is_float16 = keras.mixed_precision.dtype_policy().name == "mixed_float16"
    return keras.optimizers.LossScaleOptimizer(optimizer) if is_float16 else optimizer


def _schedule(name: str, rate: float, warmup_steps: int, steps: int) -> Any:
    if name == "cosine":
        warmup = {"warmup_target": rate, "warmup_steps": warmup_steps} if warmup_steps else {}
        return schedules.CosineDecay(0.0 if warmup_steps else rate, steps - warmup_steps, **warmup)
    if warmup_steps:
        return schedules.PolynomialDecay(0.0, warmup_steps, end_learning_rate=rate)
    return rate


def mean_over_devices(value: tf.Tensor) -> tf.Tensor:
    """Returns the mean over all devices of a step; outside a step the value itself."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value) if context else value


@tf.custom_gradient
def sigmoid_cross_entropy(
    images: tf.Tensor, logits: tf.Tensor
) -> tuple[tf.Tensor, Callable[..., Any]]:
    """Returns -images log sigmoid(logits) - (1 - images) log(1 - sigmoid(logits)), elementwise.

    In nats. The written-out gradient sends the logits one part. TensorFlow's own sends three, whose
    sum depends on the machine's load, and is slower.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return -upstream * logits, upstream * (tf.sigmoid(logits) - images)

    return tf.nn.softplus(logits) - images * logits, gradient
