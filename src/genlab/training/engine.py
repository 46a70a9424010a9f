"""The compiled training loop: many steps per call, every draw a function of the step.

The order of the examples is a function of (seed, epoch), every random draw one of (seed, step). So
a resumed run continues exactly as if it had never stopped, and the number of steps per call does
not matter.
"""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from genlab.contract.batches import as_batch
from genlab.contract.capabilities import AveragesWeights, Grows
from genlab.contract.steps import Batch, Losses, Model, Optimizers, Phase, Step
from genlab.imaging import binarisation
from genlab.imaging.binarisation import Binarisation
from genlab.settings import seeds
from genlab.training.feed import Block, Examples

NO_STEP = -1


class Span(NamedTuple):
    """The steps from `step` up to `stop`, which is excluded, in one block of the feed; int32 ()."""

    step: tf.Tensor
    stop: tf.Tensor
    block: tf.Tensor


class Engine:
    """Runs the steps of one model."""

    def __init__(
        self,
        model: Model,
        optimizers: Optimizers,
        examples: Examples,
        seed: int,
        binarise: Binarisation = "none",
    ):
        """Takes a model and optimizers that were built in the current strategy's scope."""
        self.model = model
        self.optimizers = optimizers
        self.examples = examples
        self.seed = seed
        self.binarise = binarise
        self.strategy = tf.distribute.get_strategy()

    def run(
        self, first_step: int, num_steps: int, sums: Mapping[str, float]
    ) -> tuple[dict[str, float], int]:
        """Makes `num_steps` steps of one phase. Before its first step, a model that grows does so.

        Args:
            first_step: Number of the first step, from 0.
            num_steps: At least 1; all steps are in the same phase.
            sums: Sums of the losses over earlier steps, to which these steps add theirs in float32;
                {} for none.

        Returns:
            The sums, and the first of these steps with a loss that is not finite, or NO_STEP.
        """
        phase = self.examples.phase_of(first_step)
        start = self.examples.first_step(phase)
        if first_step == start and isinstance(self.model, Grows):
            self.model.begin(phase, self.optimizers)
        feed = self.examples.feeds[phase]
        totals = {name: tf.constant(sums.get(name, 0.0)) for name in self.model.loss_names}
        bad = tf.constant(NO_STEP)
        step = first_step
        end = first_step + num_steps
        size = feed.steps_per_block or end - start
        while step < end:
            number = (step - start) // size
            stop = min(end, start + (number + 1) * size)
            span = Span(tf.constant(step), tf.constant(stop), tf.constant(number))
            totals, bad = self._run(phase, span, feed.block(number), totals, bad)
            step = stop
        return {name: float(total) for name, total in totals.items()}, int(bad)

    @tf.function(autograph=False)  # AutoGraph uses what Python 3.15 removes
    def _run(
        self, phase: int, span: Span, block: Block, sums: Losses, bad: tf.Tensor
    ) -> tuple[Losses, tf.Tensor]:
        def has_next(step: tf.Tensor, sums: Losses, bad: tf.Tensor) -> tf.Tensor:
            del sums, bad
            return step < span.stop

        def advance(
            step: tf.Tensor, sums: Losses, bad: tf.Tensor
        ) -> tuple[tf.Tensor, Losses, tf.Tensor]:
            losses = self._step(phase, step, span.block, block)
            is_finite = tf.reduce_all(tf.math.is_finite(tf.stack(list(losses.values()))))
            bad = tf.where(is_finite | (bad != NO_STEP), bad, step)
            return step + 1, {name: sums[name] + losses[name] for name in sums}, bad

        _, sums, bad = tf.while_loop(has_next, advance, (span.step, sums, bad))
        return sums, bad

    def _step(self, phase: int, step: tf.Tensor, number: tf.Tensor, block: Block) -> Losses:
        losses = self.strategy.run(self._replica_step, (phase, step, number, block))
        if isinstance(self.model, AveragesWeights):
            self.model.average_weights(step)
        return {
            name: self.strategy.reduce("MEAN", losses[name], axis=None)
            for name in self.model.loss_names
        }

    def _replica_step(self, index: int, step: tf.Tensor, number: tf.Tensor, block: Block) -> Losses:
        phase = self.examples.phases[index]
        places = self._places(phase)
        steps_before = tf.cast(step - self.examples.first_step(index), tf.int64)
        positions = self.examples.first_position(index) + steps_before * phase.images_per_step
        positions += places
        feed = self.examples.feeds[index]
        fields = feed.take(block, positions, tf.cast(number, tf.int64))
        batch = as_batch(fields, self.examples.spec)
        if self.binarise == "dynamic":
            batch = self._binarise(batch, places, phase, step)
        seed = tf.stack([tf.constant(self.seed), step])
        return self.model.update(batch, Step(seed, tf.cast(step, tf.int64), index), self.optimizers)

    def _binarise(
        self, batch: Batch, places: tf.Tensor, phase: Phase, step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        seed = tf.stack([tf.constant(seeds.derive(self.seed, "binarisation")), step])
        images = binarisation.draw(batch["images"], places, phase.images_per_step, seed)
        return {**batch, "images": images}

    def _places(self, phase: Phase) -> tf.Tensor:
        """Returns the places of this replica's examples in a step: its part of each batch."""
        share = phase.batch_size // self.strategy.num_replicas_in_sync
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        starts = tf.range(0, phase.images_per_step, phase.batch_size, dtype=tf.int64)
        places = starts[:, tf.newaxis] + replica * share + tf.range(share, dtype=tf.int64)
        return tf.reshape(places, [-1])
