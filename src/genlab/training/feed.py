"""Where steps take their examples from: arrays on the device, or blocks streamed from the disk.

Both give a step the same examples, so the bits of a training do not depend on the choice. Positions
count the examples of a training from 0 over all phases. The example at a position is a function of
(seed, position).
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import tensorflow as tf

from genlab.contract.fields import Spec
from genlab.contract.steps import Phase
from genlab.settings import seeds

BLOCK_BYTES = 2**24
Block = dict[str, tf.Tensor]
"""By field a tensor (rows, *shape) of the type that it has on disk."""


class Feed(Protocol):
    """Provides blocks of examples, and takes a step's examples from them."""

    steps_per_block: int | None
    """None: one block serves every step."""

    def block(self, number: int) -> Block:
        """Returns the block that begins with step `number * steps_per_block` of the phase."""

    def take(self, block: Block, positions: tf.Tensor, number: tf.Tensor) -> Block:
        """Returns examples of a block.

        Args:
            block: The result of `block(number)`.
            positions: Positions in the training, int64 (n,).
            number: Number of the block, int64 ().
        """


def shuffled(positions: tf.Tensor, num_examples: int, seed: int) -> tf.Tensor:
    """Returns the index of the example at each position of an endless sequence of shuffled epochs.

    Args:
        positions: int64 (n,), counted from 0 over all epochs.
        num_examples: Number of examples in an epoch.
        seed: Seed of the order; every epoch has its own permutation.

    Returns:
        int64 (n,): every example once in each epoch. Permutations are computed, not stored
        (TensorFlow's `RandomIndexShuffle`, a block cipher on the index).
    """
    epochs = positions // num_examples
    constant = tf.fill(tf.shape(positions), tf.constant(seed, tf.int64))
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_examples,
        seed=tf.stack([constant, epochs, tf.zeros_like(epochs)], axis=1),
        max_index=tf.constant(num_examples - 1, tf.int64),
        rounds=4,
    )


class Shuffle:
    """The order of the examples: one for all aligned fields, one for each other field."""

    def __init__(self, arrays: Mapping[str, np.ndarray], spec: Spec, seed: int):
        self._sizes = {name: len(array) for name, array in arrays.items()}
        self._seeds = {
            name: seed if spec[name].aligned else seeds.derive(seed, "order", name)
            for name in arrays
        }

    def rows(self, name: str, positions: tf.Tensor) -> tf.Tensor:
        """Returns the rows of a field at positions (n,), int64 (n,)."""
        return shuffled(positions, self._sizes[name], self._seeds[name])


class Resident:
    """All examples are on the device; each step gathers its own."""

    steps_per_block: int | None = None

    def __init__(self, arrays: Mapping[str, np.ndarray], order: Shuffle):
        self._order = order
        self._block = {name: tf.constant(np.asarray(array)) for name, array in arrays.items()}

    def block(self, number: int) -> Block:
        """Returns all examples."""
        del number
        return self._block

    def take(self, block: Block, positions: tf.Tensor, number: tf.Tensor) -> Block:
        """Returns the examples at the positions."""
        del number
        return {
            name: tf.gather(values, self._order.rows(name, positions))
            for name, values in block.items()
        }


class Streamed:
    """A thread reads the next block in shuffled order while the device works on this one."""

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        order: Shuffle,
        images_per_step: int,
        first_position: int = 0,
    ):
        self._arrays = arrays
        self._order = order
        self._first = first_position
        bytes_per_example = sum(array[0].nbytes for array in arrays.values())
        self.steps_per_block = max(1, BLOCK_BYTES // (images_per_step * bytes_per_example))
        self._size = self.steps_per_block * images_per_step
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._blocks: dict[int, Future[Block]] = {}

    def block(self, number: int) -> Block:
        """Returns a block, and starts to read the next one."""
        self._blocks = {
            index: self._blocks.get(index) or self._reader.submit(self._read, index)
            for index in (number, number + 1)
        }
        return self._blocks[number].result()

    def _read(self, number: int) -> Block:
        start = self._first + number * self._size
        positions = tf.range(start, start + self._size, dtype=tf.int64)
        return {
            name: tf.constant(array[self._order.rows(name, positions).numpy()])
            for name, array in self._arrays.items()
        }

    def take(self, block: Block, positions: tf.Tensor, number: tf.Tensor) -> Block:
        """Returns the examples; a block has them in order."""
        rows = positions - self._first - number * self._size
        return {name: tf.gather(values, rows) for name, values in block.items()}


@dataclass(frozen=True)
class Examples:
    """All examples of a training, with one feed per phase."""

    spec: Spec
    phases: tuple[Phase, ...]
    feeds: tuple[Feed, ...]

    def first_step(self, phase: int) -> int:
        """Returns the number of steps before a phase."""
        return sum(earlier.steps for earlier in self.phases[:phase])

    def first_position(self, phase: int) -> int:
        """Returns the number of examples in the phases before a phase."""
        return sum(earlier.steps * earlier.images_per_step for earlier in self.phases[:phase])

    def position(self, step: int) -> int:
        """Returns the number of examples in the steps before `step`."""
        phase = self.phase_of(step)
        steps = step - self.first_step(phase)
        return self.first_position(phase) + steps * self.phases[phase].images_per_step

    def phase_of(self, step: int) -> int:
        """Returns the index of a step's phase."""
        return max(i for i in range(len(self.phases)) if self.first_step(i) <= step)

    def end_of_phase(self, step: int) -> int:
        """Returns the first step after a step's phase."""
        return self.first_step(self.phase_of(step) + 1)


def examples(
    arrays: Mapping[str, np.ndarray],
    spec: Spec,
    seed: int,
    phases: Sequence[Phase],
    resident_bytes: float = math.inf,
) -> Examples:
    """Returns the examples of a training, on the device if they fit, else streamed.

    Args:
        arrays: By field an array (n, *shape), in memory or memory-mapped.
        spec: Describes at least these fields.
        seed: Seed of the order.
        phases: The phases of the training.
        resident_bytes: Largest total size of the arrays on the device.
    """
    order = Shuffle(arrays, spec, seed)
    source = Examples(spec, tuple(phases), ())
    if sum(array.nbytes for array in arrays.values()) <= resident_bytes:
        return replace(source, feeds=(Resident(arrays, order),) * len(phases))
    streams = [
        Streamed(arrays, order, phase.images_per_step, source.first_position(index))
        for index, phase in enumerate(phases)
    ]
    return replace(source, feeds=tuple(streams))
