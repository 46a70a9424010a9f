"""One latent dimension at a time walks over its range while the others stay: what does it mean?

As Higgins et al., "beta-VAE", ICLR 2017, figure 4, show it.
"""

import numpy as np

from genlab.evaluation import walks
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_uint8

NUM_STEPS = 13
NUM_DIMENSIONS = 24
"""At most so many are kept: those that say the most."""
NUM_IMAGES = 2
"""Test images that walks begin at, beside the middle."""


def draw(task: Task, scores: Scores) -> None:
    """Keeps `traversals`.

    images      uint8 (starts, dimensions, steps, height, width, channels)
    starts      (starts,), where each walk begins, in words
    dimensions  (dimensions,), the strongest first
    strengths   (dimensions,), and `strength`, what it is and in which unit
    offsets     (steps,), deviations from the middle
    deviations  (dimensions,), and `middle`, what the offsets are counted from
    positions   (starts, dimensions), where the start itself lies, in deviations from the middle
    latent_dim  of how many
    """
    latents = scores.arrays.get("latents", {}).get("latents")
    around = walks.range_of(task, latents)
    starts, names = _starts(task, around)
    offsets = np.linspace(-around.reach, around.reach, NUM_STEPS)
    strengths, what = _strengths(task, scores, around, offsets)
    chosen = np.argsort(-strengths, kind="stable")[:NUM_DIMENSIONS]
    images = np.stack([_walk(task, start, around, chosen, offsets) for start in starts])
    used = np.where(around.deviation > 0, around.deviation, 1)
    scores.arrays["traversals"] = {
        "images": images,
        "starts": np.array(names),
        "dimensions": chosen,
        "strengths": strengths[chosen],
        "strength": np.array(what),
        "offsets": offsets,
        "deviations": around.deviation[chosen],
        "middle": np.array(around.origin),
        "positions": ((starts - around.middle) / used)[:, chosen],
        "latent_dim": np.array(task.model.latent_dim or 0),
    }


def _starts(task: Task, around: walks.Range) -> tuple[np.ndarray, list[str]]:
    """Returns latents (n, latent_dim) and their names: test images, or else draws from the prior; and the middle."""
    if task.model.can("encode"):
        images = walks.first_of_each_class(task)
        images = images[3::5][:NUM_IMAGES] or images[:NUM_IMAGES]
        more, names = walks.encode(task, images), [walks.name(task, image) for image in images]
    else:
        more, names = (
            walks.draw(task, NUM_IMAGES, "traversals"),
            [f"prior draw {i + 1}" for i in range(NUM_IMAGES)],
        )
    return np.concatenate([more, around.middle[None]]), [*names, around.origin]


def _strengths(
    task: Task, scores: Scores, around: walks.Range, offsets: np.ndarray
) -> tuple[np.ndarray, str]:
    """Returns how much each dimension says, (latent_dim,): its KL; else its variance; else what it changes."""
    if "kl_per_dimension" in scores.arrays:
        return scores.arrays["kl_per_dimension"]["kl"], "KL, nats per image"
    if "latents" in scores.arrays:
        return scores.arrays["latents"]["latents"].var(
            axis=0, dtype=np.float64
        ), "variance of the test latents"
    images = _walk(task, around.middle, around, np.arange(task.model.latent_dim or 0), offsets)
    return images.astype(np.float64).var(axis=1).mean(
        axis=(1, 2, 3)
    ) / 255**2, "variance per pixel that it makes"


def _walk(
    task: Task, start: np.ndarray, around: walks.Range, dimensions: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Returns the images, uint8 (dimensions, steps, height, width, channels), of which each row sets one dimension."""
    latents = np.tile(start, (len(dimensions), len(offsets), 1))
    for row, dimension in enumerate(dimensions):
        latents[row, :, dimension] = (
            around.middle[dimension] + offsets * around.deviation[dimension]
        )
    images = to_uint8(task.model.decode(latents.reshape(-1, len(start))))
    return images.reshape(len(dimensions), len(offsets), *images.shape[1:])
