"""Where steps take their images from: all of them on the device, or blocks streamed from the memory map.

Both give a step the same images: training is bit-identical, whichever is used.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import tensorflow as tf

BLOCK_BYTES = 2**24


class Feed(Protocol):
    """Hands out blocks of images, uint8 NHWC, and says which of their rows a step takes."""

    steps_per_block: int | None
    """None: one block serves every step."""

    def block(self, number: int) -> tf.Tensor:
        """Returns the block of the steps `number * steps_per_block` and later, before the next block's."""

    def rows(self, positions: tf.Tensor, block_start: tf.Tensor) -> tf.Tensor:
        """Returns the rows, in the block whose first image has the position `block_start`, of positions int64 (n,)."""


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
    seeds = tf.stack(
        [tf.fill(tf.shape(positions), tf.constant(seed, tf.int64)), epochs, tf.zeros_like(epochs)],
        axis=1,
    )
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_images,
        seed=seeds,
        max_index=tf.constant(num_images - 1, tf.int64),
        rounds=4,
    )


class Resident:
    """All images lie on the device; each step gathers its own."""

    steps_per_block: int | None = None

    def __init__(self, images: np.ndarray, seed: int):
        self._images, self._seed = tf.constant(np.asarray(images)), seed

    def block(self, number: int) -> tf.Tensor:
        """Returns all images."""
        del number
        return self._images

    def rows(self, positions: tf.Tensor, block_start: tf.Tensor) -> tf.Tensor:
        """Returns the shuffled indices."""
        del block_start
        return shuffled(positions, len(self._images), self._seed)


class Streamed:
    """A thread reads the next block, in shuffled order, while the device works on this one."""

    def __init__(self, images: np.ndarray, seed: int, images_per_step: int):
        self._images, self._seed, self._images_per_step = images, seed, images_per_step
        self.steps_per_block = max(1, BLOCK_BYTES // (images_per_step * images[0].nbytes))
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._read: dict[int, Future[tf.Tensor]] = {}

    def block(self, number: int) -> tf.Tensor:
        """Returns a block, and has the next one read."""
        self._read = {
            wanted: self._read.get(wanted) or self._reader.submit(self._gather, wanted)
            for wanted in (number, number + 1)
        }
        return self._read[number].result()

    def _gather(self, number: int) -> tf.Tensor:
        size = self.steps_per_block * self._images_per_step
        positions = tf.range(number * size, (number + 1) * size, dtype=tf.int64)
        return tf.constant(self._images[shuffled(positions, len(self._images), self._seed).numpy()])

    def rows(self, positions: tf.Tensor, block_start: tf.Tensor) -> tf.Tensor:
        """Returns the places in the block: its images are in order."""
        return positions - block_start


def feed(images: np.ndarray, seed: int, images_per_step: int, resident_bytes: float) -> Feed:
    """Returns a feed that holds the images on the device where they have at most `resident_bytes`."""
    if images.nbytes <= resident_bytes:
        return Resident(images, seed)
    return Streamed(images, seed, images_per_step)
