"""The compiled training loop: many steps per call, on images that lie on the device, every draw a function of the step.

The order of the images is a function of (seed, epoch) and every random draw one of (seed, step), so that a run that is
resumed at a step goes on exactly as one that was never stopped.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from genlab.networks import Losses

NO_STEP = -1


def shuffled(positions: tf.Tensor, num_images: int, seed: int) -> tf.Tensor:
    """Returns the index of the image at each position of an endless sequence of shuffled epochs.

    Args:
        positions: int64 (n,), counted over all epochs from 0.
        num_images: Images in an epoch.
        seed: Of the order; every epoch has its own permutation.

    Returns:
        int64 (n,): every image once in each epoch. The permutations are computed, not stored (TensorFlow's
        `RandomIndexShuffle`, a block cipher on the index).
    """
    epochs = positions // num_images
    seeds = tf.stack([tf.fill(tf.shape(positions), tf.constant(seed, tf.int64)), epochs, tf.zeros_like(epochs)], axis=1)
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_images, seed=seeds, max_index=tf.constant(num_images - 1, tf.int64), rounds=4
    )


def as_floats(images: tf.Tensor) -> tf.Tensor:
    """Returns uint8 images as float32 in [0, 1]."""
    return tf.cast(images, tf.float32) / 255.0


class Engine:
    """Runs steps of one model on one set of images."""

    def __init__(self, model: Any, optimizers: dict[str, Any], images: np.ndarray, seed: int):
        """Puts the images, uint8 NHWC, on the device; model and optimizers are built in the current strategy."""
        self.model = model
        self.optimizers = optimizers
        self.seed = seed
        self.num_images = len(images)
        self.images = tf.constant(images)
        self.strategy = tf.distribute.get_strategy()

    @tf.function(autograph=False)  # AutoGraph leans on what Python 3.15 removes
    def run(self, first_step: tf.Tensor, num_steps: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        """Makes the steps first_step .. first_step + num_steps - 1, counted from 0.

        Returns:
            The mean of each loss over these steps, and the first step whose losses were not finite, or NO_STEP.
        """

        def goes_on(step: tf.Tensor, sums: Losses, first_bad: tf.Tensor) -> tf.Tensor:
            del sums, first_bad
            return step < first_step + num_steps

        def advance(step: tf.Tensor, sums: Losses, first_bad: tf.Tensor) -> tuple[tf.Tensor, Losses, tf.Tensor]:
            losses = self._step(step)
            finite = tf.reduce_all(tf.math.is_finite(tf.stack(list(losses.values()))))
            first_bad = tf.where(finite | (first_bad != NO_STEP), first_bad, step)
            return step + 1, {name: sums[name] + losses[name] for name in sums}, first_bad

        start = (first_step, {name: tf.constant(0.0) for name in self.model.loss_names}, tf.constant(NO_STEP))
        _, sums, first_bad = tf.while_loop(goes_on, advance, start)
        return {name: total / tf.cast(num_steps, tf.float32) for name, total in sums.items()}, first_bad

    def _step(self, step: tf.Tensor) -> Losses:
        losses = self.strategy.run(self._replica_step, (step,))
        if hasattr(self.model, "average_weights"):
            self.model.average_weights(step)
        return {name: self.strategy.reduce("MEAN", losses[name], axis=None) for name in self.model.loss_names}

    def _replica_step(self, step: tf.Tensor) -> Losses:
        replicas = self.strategy.num_replicas_in_sync
        size = self.model.settings.images_per_step
        share = size // replicas
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        start = tf.cast(step, tf.int64) * size + tf.cast(replica * share, tf.int64)
        indices = shuffled(start + tf.range(share, dtype=tf.int64), self.num_images, self.seed)
        batch = as_floats(tf.gather(self.images, indices))
        seed = tf.stack([tf.constant(self.seed), step * replicas + replica])
        return self.model.update(batch, seed, self.optimizers)
