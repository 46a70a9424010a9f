"""Noise that does not depend on the number of devices.

Each device draws the noise of the whole batch and takes its own rows, so all must get the same
seed. On one device these are TensorFlow's stateless draws.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def normal(num: Any, shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns standard normal draws, float32 (num, *shape), for this device's part of a batch."""
    return _own_rows(tf.random.stateless_normal, num, shape, seed)


def uniform(
    num: Any, shape: Sequence[int], seed: tf.Tensor, low: float = 0.0, high: float = 1.0
) -> tf.Tensor:
    """Returns draws from [low, high), float32 (num, *shape), for this device's part of a batch."""

    def draw(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, seed, low, high)

    return _own_rows(draw, num, shape, seed)


def draw(num: Any, shape: Sequence[int], seed: tf.Tensor, prior: str) -> tf.Tensor:
    """Returns draws from a prior, float32 (num, *shape): `normal`, or `uniform` on [-1, 1)."""
    if prior == "uniform":
        return uniform(num, shape, seed, -1.0, 1.0)
    return normal(num, shape, seed)


def other_seed(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Returns a seed, int32 (2,), independent of `seed` and of those of other numbers."""
    return tf.random.experimental.stateless_fold_in(seed, number)


def _own_rows(
    draw: Callable[..., tf.Tensor], num: Any, shape: Sequence[int], seed: tf.Tensor
) -> tf.Tensor:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return draw((num, *shape), seed)
    first = context.replica_id_in_sync_group * num
    return draw((context.num_replicas_in_sync * num, *shape), seed)[first : first + num]
