"""Reconstruction by search: gradient descent finds the latent with the nearest image.

Zhu et al., "Generative Visual Manipulation on the Natural Image Manifold", ECCV 2016, section 3.1.
Each search starts at that of the model's own samples (from the prior, else from the fitted density)
whose image is nearest: from one common start it often ends in a poor minimum. An encoder finds its
latent in one step and is no match for a search: compare searches with searches.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from genlab.contract.evidence import Unavailable
from genlab.settings.params import Inversion
from genlab.trained.model import TrainedModel

BATCH_SIZE = 256
NO_SEARCH = "makes no images from a latent vector alone"
Decode = Callable[[tf.Tensor], tf.Tensor]


def invert(model: TrainedModel, images: np.ndarray, settings: Inversion, seed: int) -> np.ndarray:
    """Returns the nearest images that the search finds, float32 NHWC in [0, 1], as `images` are.

    Adam descends the squared error of each image.

    Raises:
        Unavailable: The model generates from something else, or has no samples.
    """
    decode = model.functions().get("decode")
    if decode is None:
        raise Unavailable(f"{model.kind} {NO_SEARCH}")
    if not model.sources():
        raise Unavailable(f"{model.kind} has no samples to start from")
    candidates = model.draw_latents(settings.num_starts, seed, model.sources()[0])
    decoded = np.concatenate([np.asarray(decode(batch)) for batch in _batches(candidates)])
    starts = candidates[nearest(images, decoded)]
    pairs = zip(_batches(images), _batches(starts), strict=True)
    return np.concatenate([_descend(decode, *pair, settings) for pair in pairs])


def nearest(images: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Returns per image (n, ...) the index of the candidate of the least squared error: (n,)."""
    rows, others = images.reshape(len(images), -1), candidates.reshape(len(candidates), -1)
    return (np.square(others).sum(axis=1) - 2 * rows @ others.T).argmin(axis=1)


def _batches(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + BATCH_SIZE] for start in range(0, len(values), BATCH_SIZE)]


def _descend(
    decode: Decode, targets: np.ndarray, starts: np.ndarray, settings: Inversion
) -> np.ndarray:
    latents = keras.Variable(starts, dtype="float32")
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build([latents])

    @tf.function(autograph=False)
    def descend() -> None:
        with tf.GradientTape() as tape:
            error = tf.reduce_sum(tf.square(decode(latents.value) - tf.constant(targets)))
        optimizer.apply([tape.gradient(error, latents.value)], [latents])

    for _ in range(settings.steps):
        descend()
    return np.asarray(decode(latents.value))
