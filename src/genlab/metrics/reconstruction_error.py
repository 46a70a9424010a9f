"""Reconstruction error per pixel: mean squared error, and the peak signal-to-noise ratio of each image, averaged.

Grey values are in [0, 1], so the peak is 1: PSNR = -10 log10(MSE of the image), in decibels.
"""

import numpy as np

from genlab.measures import Measure, Reconstructions

NEEDS = Reconstructions
MEASURES = {"mse": Measure("squared grey value per pixel", "lower"), "psnr": Measure("dB", "higher")}
LOWEST_MSE = 1e-10
"""A perfect image counts as 100 dB."""


def compute(evidence: Reconstructions) -> dict[str, float]:
    """Returns the mean over images of the MSE per pixel, and of the PSNR."""
    errors = np.square(evidence.images.astype(np.float64) - evidence.reconstructions).mean(axis=(1, 2, 3))
    return {"mse": float(errors.mean()), "psnr": float(np.mean(-10 * np.log10(np.maximum(errors, LOWEST_MSE))))}
