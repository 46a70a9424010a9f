"""One latent dimension at a time moves over its range while the others stay: what does it mean?

As in Higgins et al., "beta-VAE", ICLR 2017, figure 4.
"""

import numpy as np

from genlab.evaluation import walks
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import EvaluationTask
from genlab.imaging.arrays import to_uint8

NUM_STEPS = 13
NUM_DIMENSIONS = 24
"""At most, those that say most."""
NUM_IMAGES = 2
"""Test images to start at, beside the middle."""


def draw(task: EvaluationTask, scores: Scores) -> None:
    """Adds the arrays `traversals` where latents are vectors.

    images      uint8 (starts, dimensions, steps, height, width, channels)
    starts      (starts,), where each walk starts, in words
    dimensions  (dimensions,), the strongest first
    strengths   (dimensions,), and `strength`, what it is and in which unit
    offsets     (steps,), deviations from the middle
    deviations  (dimensions,), and `middle`, what the offsets are counted from
    positions   (starts, dimensions), where the start itself is, in deviations from the middle
    latent_dim  the number of all dimensions
    """
    if not task.model.can("decode"):
        return
    around = walks.range_of(task, scores.arrays.get("latents", {}).get("latents"))
    starts, names = _starts(task, around)
    offsets = np.linspace(-around.reach, around.reach, NUM_STEPS)
    strengths, strength = _strengths(task, scores, around, offsets)
    dimensions = np.argsort(-strengths, kind="stable")[:NUM_DIMENSIONS]
    images = [_walk(task, start, around, dimensions, offsets) for start in starts]
    deviations = np.where(around.deviation > 0, around.deviation, 1)
    scores.arrays["traversals"] = {
        "images": np.stack(images),
        "starts": np.array(names),
        "dimensions": dimensions,
        "strengths": strengths[dimensions],
        "strength": np.array(strength),
        "offsets": offsets,
        "deviations": around.deviation[dimensions],
        "middle": np.array(around.origin),
        "positions": ((starts - around.middle) / deviations)[:, dimensions],
        "latent_dim": np.array(task.model.latent_dim),
    }


def _starts(task: EvaluationTask, around: walks.Range) -> tuple[np.ndarray, list[str]]:
    """Returns latents (n, latent_dim) and their names: test images, or else draws; the middle."""
    if task.model.can("encode"):
        images = walks.first_of_each_class(task)
        images = images[3::5][:NUM_IMAGES] or images[:NUM_IMAGES]
        latents = walks.encode(task, images)
        names = [walks.name(task, image) for image in images]
    else:
        latents = walks.draw(task, NUM_IMAGES, "traversals")
        names = [f"prior draw {index + 1}" for index in range(NUM_IMAGES)]
    return np.concatenate([latents, around.middle[None]]), [*names, around.origin]


def _strengths(
    task: EvaluationTask, scores: Scores, around: walks.Range, offsets: np.ndarray
) -> tuple[np.ndarray, str]:
    """Returns how much each dimension says, (latent_dim,), and what that is."""
    if "kl_per_dimension" in scores.arrays:
        return scores.arrays["kl_per_dimension"]["kl"], "KL, nats per image"
    if "latents" in scores.arrays:
        latents = scores.arrays["latents"]["latents"]
        return latents.var(axis=0, dtype=np.float64), "variance of the test latents"
    images = _walk(task, around.middle, around, np.arange(len(around.middle)), offsets)
    variances = images.astype(np.float64).var(axis=1).mean(axis=(1, 2, 3)) / 255**2
    return variances, "variance per pixel that it makes"


def _walk(
    task: EvaluationTask,
    start: np.ndarray,
    around: walks.Range,
    dimensions: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """Returns the images, uint8 (dimensions, steps, height, width, channels)."""
    latents = np.tile(start, (len(dimensions), len(offsets), 1))
    for row, dimension in enumerate(dimensions):
        moved = around.middle[dimension] + offsets * around.deviation[dimension]
        latents[row, :, dimension] = moved
    images = to_uint8(task.model.decode(latents.reshape(-1, len(start))))
    return images.reshape(len(dimensions), len(offsets), *images.shape[1:])
