"""Turns fields as they are stored into the tensors that models take."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from genlab.contract.fields import DTYPES, Spec

_CONVERT = {
    "image": lambda values: tf.cast(values, tf.float32) / 255.0,
    "label": lambda values: tf.cast(values, tf.int32),
    "factors": lambda values: tf.cast(values, tf.float32),
}


def as_batch(fields: Mapping[str, Any], spec: Spec) -> dict[str, tf.Tensor]:
    """Returns images as float32 in [0, 1], labels as int32 and factors as float32.

    Args:
        fields: By name an array or a tensor (n, *shape), of the type that it has on disk.
        spec: Describes at least these fields.
    """
    return {name: _CONVERT[spec[name].kind](values) for name, values in fields.items()}


def empty_batch(spec: Spec, names: tuple[str, ...], num_examples: int) -> dict[str, tf.Tensor]:
    """Returns a batch of zeros with the shapes and types that a model takes."""
    zeros: dict[str, np.ndarray] = {
        name: np.zeros((num_examples, *spec[name].shape), DTYPES[spec[name].kind]) for name in names
    }
    return as_batch(zeros, spec)
