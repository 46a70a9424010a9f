"""The features and pictures on which the metrics are compared with other implementations, made from a seed."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

NUM_REAL, NUM_GENERATED, FEATURE_DIM = 700, 600, 48
PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5


class ReferenceSets(NamedTuple):
    """Features, float64 (n, feature_dim), and pictures with their reconstructions, float32 NHWC in [0, 1]."""

    real: np.ndarray
    generated: np.ndarray
    pictures: dict[str, np.ndarray]
    reconstructions: dict[str, np.ndarray]

    def checksum(self) -> float:
        """Returns a number that tells whether another version of NumPy or SciPy makes other sets."""
        arrays = [
            self.real,
            self.generated,
            *self.pictures.values(),
            *self.reconstructions.values(),
        ]
        return float(sum(np.square(array, dtype=np.float64).sum() for array in arrays))


def make() -> ReferenceSets:
    """Makes the sets: skewed, correlated, non-negative features, as after a ReLU; grey and colour pictures."""
    generator = np.random.default_rng(20)
    mixing = generator.random((FEATURE_DIM, FEATURE_DIM)) - 0.5
    real, generated = (
        generator.random((number, FEATURE_DIM)) @ mixing for number in (NUM_REAL, NUM_GENERATED)
    )
    generated = 0.9 * generated + 0.2 * (generator.random(FEATURE_DIM) - 0.5)
    pictures, reconstructions = {}, {}
    for name, shape in {"grey": (6, 28, 28, 1), "colour": (4, 32, 40, 3)}.items():
        smooth = ndimage.gaussian_filter(generator.random(shape), 1.5, axes=(1, 2))
        pictures[name] = np.clip((smooth - 0.5) * 4 + 0.5, 0, 1).astype(np.float32)
        blurred = ndimage.gaussian_filter(pictures[name], 0.8, axes=(1, 2))
        reconstructions[name] = np.clip(
            blurred + 0.05 * (generator.random(shape) - 0.5), 0, 1
        ).astype(np.float32)
    return ReferenceSets(np.maximum(real, 0), np.maximum(generated, 0), pictures, reconstructions)
