"""Reconstruction error per image: mean squared and absolute error per pixel, and PSNR.

Grey values are in [0, 1], so the peak is 1: PSNR = -10 log10(MSE of the image), in decibels. The
PSNR of a set is the mean of its images' PSNRs, not that of their mean error.
"""

import numpy as np

from genlab.contract.evidence import Measure, Reconstructions, Values

NEEDS = Reconstructions
MEASURES = {
    "mse": Measure("squared grey value per pixel", "lower", "docs/metrics.md"),
    "mae": Measure("grey value per pixel", "lower", "docs/metrics.md"),
    "psnr": Measure("dB", "higher", "Huynh-Thu and Ghanbari 2008"),
}
LOWEST_MSE = 1e-10
"""A perfect image counts as 100 dB."""


def compute(evidence: Reconstructions) -> Values:
    """Returns three values per image, (n,) each: means over pixels and channels, and the PSNR."""
    differences = evidence.images.astype(np.float64) - evidence.reconstructions
    squared = np.square(differences).mean(axis=(1, 2, 3))
    absolute = np.abs(differences).mean(axis=(1, 2, 3))
    psnr = -10 * np.log10(np.maximum(squared, LOWEST_MSE))
    return {"mse": squared, "mae": absolute, "psnr": psnr}
