"""Generates images: draws noise, and maps it to images in compiled batches of a fixed size.

Equal shapes give equal bits, so the first images do not depend on how many follow.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from genlab.contract.batches import as_batch
from genlab.contract.capabilities import Encodes, Generates
from genlab.contract.fields import Spec
from genlab.contract.steps import Batch, Model
from genlab.numerics.batches import in_batches
from genlab.numerics.density import GaussianMixture
from genlab.runtime.errors import InputError
from genlab.trained.givens import given_arrays

BATCH_SIZE = 100
PRIOR, FITTED, TRANSLATION = "prior", "fitted", "translation"
Draw = Callable[[int, int], np.ndarray]
"""Maps a number n and a seed to noise, float32 (n, ...). The first rows do not depend on n."""


class Generator:
    """One source of images: a model's prior, a density fitted to its latents, or a translation."""

    def __init__(
        self,
        compute: Callable[[tf.Tensor, Batch], tf.Tensor],
        draw: Draw,
        given: tuple[str, ...],
        spec: Spec,
    ):
        """Takes the map from noise and given fields to images, and a function that draws noise."""
        self.draw = draw
        self.given = given
        self._spec = spec
        self._compiled = tf.function(compute, autograph=False)

    def sample(
        self, num_images: int, seed: int, given: Mapping[str, Any] | None = None
    ) -> np.ndarray:
        """Returns `num_images` images, float32 (n, height, width, channels) in [0, 1].

        Args:
            num_images: At least 1.
            seed: Seed of the noise; same seed, same images.
            given: By field one value for all images, or one per image.

        Raises:
            InputError: A number is too small or none, or a field is missing, unknown or of another
                shape.
        """
        for name, value, least in (("num_images", num_images, 1), ("seed", seed, 0)):
            if not isinstance(value, int | np.integer) or value < least:
                expected = f"{name} must be a whole number, at least {least}"
                raise InputError(expected, repr(value), f"See {name}")
        return self.of_noise(self.draw(num_images, seed), given)

    def of_noise(self, noise: np.ndarray, given: Mapping[str, Any] | None = None) -> np.ndarray:
        """Returns the images of noise (n, ...), as `sample` does."""
        arrays = given_arrays(self.given, self._spec, len(noise), given or {})

        def batch(values: np.ndarray, start: int) -> list[np.ndarray]:
            rows = {name: _pad(array, start) for name, array in arrays.items()}
            return [self._compiled(tf.constant(values), as_batch(rows, self._spec))]

        (images,) = in_batches(batch, noise, BATCH_SIZE)
        return images


def generators(
    model: Model, spec: Spec, mixture: GaussianMixture | None = None
) -> dict[str, Generator]:
    """Returns a model's generators by source."""
    sources: dict[str, Generator] = {}
    if isinstance(model, Generates):
        shape, prior = model.noise_shape, model.prior
        source = TRANSLATION if "inputs" in model.given else PRIOR
        sources[source] = Generator(
            model.generate,
            lambda num_images, seed: draw_noise(num_images, shape, prior, seed),
            model.given,
            spec,
        )
    if mixture is not None and isinstance(model, Encodes):
        decode = model.decode
        sources[FITTED] = Generator(lambda noise, _: decode(noise), mixture.draw_latents, (), spec)
    return sources


def draw_noise(num_images: int, shape: tuple[int, ...], prior: str, seed: int) -> np.ndarray:
    """Returns draws from a prior, float32 (num_images, *shape).

    Args:
        num_images: At least 1. The first draws do not depend on it.
        shape: Shape of one image's noise.
        prior: `normal`, or `uniform` on [-1, 1).
        seed: Seed of all draws.
    """
    generator = np.random.default_rng(seed)
    if prior == "uniform":
        return generator.random((num_images, *shape), np.float32) * 2 - 1
    return generator.standard_normal((num_images, *shape), np.float32)


def _pad(array: np.ndarray, start: int) -> np.ndarray:
    """Returns one batch of rows, padded with zeros to the fixed size."""
    rows = np.asarray(array[start : start + BATCH_SIZE])
    padding = np.zeros((BATCH_SIZE - len(rows), *rows.shape[1:]), rows.dtype)
    return np.concatenate([rows, padding])
