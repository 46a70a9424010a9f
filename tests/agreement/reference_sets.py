"""The features and pictures of the comparison with other implementations, made from a seed."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

NUM_REAL, NUM_GENERATED, FEATURE_DIM = 700, 600, 48
PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5


class ReferenceSets(NamedTuple):
    """Features, float64 (n, feature_dim), and pictures with reconstructions, float32 NHWC."""

    real: np.ndarray
    generated: np.ndarray
    pictures: dict[str, np.ndarray]
    reconstructions: dict[str, np.ndarray]

    def checksum(self) -> float:
        """Returns a number that shows whether other versions of NumPy or SciPy make other sets."""
        pictures = (*self.pictures.values(), *self.reconstructions.values())
        arrays = (self.real, self.generated, *pictures)
        return float(sum(np.square(array, dtype=np.float64).sum() for array in arrays))


def make() -> ReferenceSets:
    """Makes skewed, correlated features, as after a ReLU, and pictures in grey and colour."""
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
        noisy = blurred + 0.05 * (generator.random(shape) - 0.5)
        reconstructions[name] = np.clip(noisy, 0, 1).astype(np.float32)
    return ReferenceSets(np.maximum(real, 0), np.maximum(generated, 0), pictures, reconstructions)
