"""Arrays as they lie on the disk become what models take."""

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
    """Returns fields as models take them: images float32 in [0, 1], labels int32, factors float32.

    Args:
        fields: By name an array or a tensor (n, *shape), as on the disk.
        spec: Of these fields.
    """
    return {name: _CONVERT[spec[name].kind](values) for name, values in fields.items()}


def empty_batch(spec: Spec, names: tuple[str, ...], num_examples: int) -> dict[str, tf.Tensor]:
    """Returns a batch of zeros: of the shapes and types that a model will see."""
    zeros: dict[str, np.ndarray] = {
        name: np.zeros((num_examples, *spec[name].shape), DTYPES[spec[name].kind]) for name in names
    }
    return as_batch(zeros, spec)
