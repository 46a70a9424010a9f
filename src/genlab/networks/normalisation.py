"""Keras's batch normalisation with TensorFlow's fused operation, in a third of the passes."""

from typing import Any

import tensorflow as tf
from keras import layers, ops


class BatchNormalization(layers.BatchNormalization):
    """Keras's `BatchNormalization` over channels; Keras's own if synchronised or not training."""

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Returns inputs (n, height, width, channels) with mean `beta` and deviation `gamma`."""
        if not (training and self.trainable) or self.synchronized or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.cast(self.gamma, "float32"),
            offset=ops.cast(self.beta, "float32"),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs[..., 0]), tf.float32)
        biased = variance * (count - 1) / count  # as Keras has it; the operation's is unbiased
        for moving, current in ((self.moving_mean, mean), (self.moving_variance, biased)):
            moving.assign(moving * self.momentum + current * (1 - self.momentum))
        return outputs
