"""The compiled training loop: many steps per call, every draw a function of the step.

The order of the images is a function of (seed, epoch) and every random draw one of (seed, step), so that a run that is
resumed at a step goes on exactly as one that was never stopped, and it does not matter how many steps a call makes.
"""

from typing import Any

import tensorflow as tf

from genlab.imaging import binarisation
from genlab.imaging.binarisation import Binarisation
from genlab.networks.trunks import Losses
from genlab.settings import seeds
from genlab.training.feed import Feed

NO_STEP = -1


def as_floats(images: tf.Tensor) -> tf.Tensor:
    """Returns uint8 images as float32 in [0, 1]."""
    return tf.cast(images, tf.float32) / 255.0


class Engine:
    """Runs steps of one model on the images of one feed."""

    def __init__(
        self,
        model: Any,
        optimizers: dict[str, Any],
        feed: Feed,
        seed: int,
        binarise: Binarisation = "none",
    ):
        """Takes a model and optimizers that were built in the current strategy."""
        self.model = model
        self.optimizers = optimizers
        self.feed = feed
        self.seed = seed
        self.binarise = binarise
        self.strategy = tf.distribute.get_strategy()

    def run(
        self, first_step: int, num_steps: int, sums: dict[str, float]
    ) -> tuple[dict[str, float], int]:
        """Makes the steps first_step .. first_step + num_steps - 1, counted from 0.

        Args:
            first_step: Steps made before.
            num_steps: At least 1.
            sums: Of each loss over the steps before, to which those of these steps are added, in float32; {} for none.

        Returns:
            The sums, and the first of these steps whose losses were not finite, or NO_STEP.
        """
        totals = {name: tf.constant(sums.get(name, 0.0)) for name in self.model.loss_names}
        bad, step, end = tf.constant(NO_STEP), first_step, first_step + num_steps
        while step < end:
            size = self.feed.steps_per_block or end
            number = step // size
            stop, block = min(end, (number + 1) * size), self.feed.block(number)
            bounds = (tf.constant(value) for value in (step, stop, number * size))
            totals, bad = self._run(*bounds, block, totals, bad)
            step = stop
        return {name: float(total) for name, total in totals.items()}, int(bad)

    @tf.function(autograph=False)  # AutoGraph leans on what Python 3.15 removes
    def _run(
        self,
        step: tf.Tensor,
        stop: tf.Tensor,
        first_of_block: tf.Tensor,
        block: tf.Tensor,
        sums: Losses,
        bad: tf.Tensor,
    ) -> tuple[Losses, tf.Tensor]:
        def goes_on(step: tf.Tensor, sums: Losses, bad: tf.Tensor) -> tf.Tensor:
            del sums, bad
            return step < stop

        def advance(
            step: tf.Tensor, sums: Losses, bad: tf.Tensor
        ) -> tuple[tf.Tensor, Losses, tf.Tensor]:
            losses = self._step(step, first_of_block, block)
            finite = tf.reduce_all(tf.math.is_finite(tf.stack(list(losses.values()))))
            bad = tf.where(finite | (bad != NO_STEP), bad, step)
            return step + 1, {name: sums[name] + losses[name] for name in sums}, bad

        _, sums, bad = tf.while_loop(goes_on, advance, (step, sums, bad))
        return sums, bad

    def _step(self, step: tf.Tensor, first_of_block: tf.Tensor, block: tf.Tensor) -> Losses:
        losses = self.strategy.run(self._replica_step, (step, first_of_block, block))
        if hasattr(self.model, "average_weights"):
            self.model.average_weights(step)
        return {
            name: self.strategy.reduce("MEAN", losses[name], axis=None)
            for name in self.model.loss_names
        }

    def _replica_step(self, step: tf.Tensor, first_of_block: tf.Tensor, block: tf.Tensor) -> Losses:
        size = tf.constant(self.model.settings.images_per_step, tf.int64)
        places = self._share()
        positions = tf.cast(step, tf.int64) * size + places
        rows = self.feed.rows(positions, tf.cast(first_of_block, tf.int64) * size)
        batch = as_floats(tf.gather(block, rows))
        if self.binarise == "dynamic":
            seed = tf.stack([tf.constant(seeds.derive(self.seed, "binarisation")), step])
            batch = binarisation.draw(batch, places, self.model.settings.images_per_step, seed)
        return self.model.update(batch, tf.stack([tf.constant(self.seed), step]), self.optimizers)

    def _share(self) -> tf.Tensor:
        """Returns this replica's places in the images of one step: its part of each batch, int64 (n,)."""
        settings = self.model.settings
        share = settings.batch_size // self.strategy.num_replicas_in_sync
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        starts = tf.range(0, settings.images_per_step, settings.batch_size, dtype=tf.int64)
        places = starts[:, tf.newaxis] + replica * share + tf.range(share, dtype=tf.int64)
        return tf.reshape(places, [-1])
