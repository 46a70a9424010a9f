"""Structural similarity of an image and its reconstruction, in small windows.

Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
Transactions on Image Processing 2004, equation 13:

    SSIM = (2 m_a m_b + C_1) (2 s_ab + C_2) / ((m_a^2 + m_b^2 + C_1) (s_a^2 + s_b^2 + C_2))

with the means m, the variances s^2 and the covariance s_ab of a and b under a Gaussian window of 11
by 11 pixels and a deviation of 1.5, C_1 = 0.01^2 and C_2 = 0.03^2 for grey values in [0, 1]. The
value of an image is the mean over the windows inside it and over its channels: 1 for equal images,
at least -1.

*Departure from the paper.* An image with a side below 11 pixels holds no window: it is mirrored at
its borders, and the mean is over windows around all of its pixels.
"""

import numpy as np
from scipy import ndimage

from genlab.contract.evidence import Measure, Reconstructions, Values

NEEDS = Reconstructions
MEASURES = {"structural_similarity": Measure("1 for equal images", "higher", "Wang et al. 2004")}
RADIUS, DEVIATION = 5, 1.5
C_1, C_2 = 0.01**2, 0.03**2
BLOCK_SIZE = 2**20
"""Pixels that are compared at a time."""


def compute(evidence: Reconstructions) -> Values:
    """Returns one value per image, (n,)."""
    first, second = evidence.images, evidence.reconstructions
    step = max(1, BLOCK_SIZE // first[0].size)
    blocks = (slice(start, start + step) for start in range(0, len(first), step))
    values = [similarities(first[block], second[block]) for block in blocks]
    return {"structural_similarity": np.concatenate(values)}


def similarities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the similarity of pairs of images NHWC with grey values in [0, 1]: float64 (n,)."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    mean_1, mean_2 = _blur(first), _blur(second)
    variances = _blur(first * first) - mean_1 * mean_1 + _blur(second * second) - mean_2 * mean_2
    covariance = _blur(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + C_1) / (mean_1 * mean_1 + mean_2 * mean_2 + C_1)
    structure = (2 * covariance + C_2) / (variances + C_2)
    return _inside(luminance * structure).mean(axis=(1, 2, 3))


def _blur(images: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(images, DEVIATION, mode="reflect", radius=RADIUS, axes=(1, 2))


def _inside(values: np.ndarray) -> np.ndarray:
    """Returns the values (n, height, width, channels) of windows inside, or all if none is."""
    holds_a_window = min(values.shape[1:3]) > 2 * RADIUS
    return values[:, RADIUS:-RADIUS, RADIUS:-RADIUS] if holds_a_window else values
