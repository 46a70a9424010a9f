"""Paths from one test image to another through latent space; without an encoder, between draws from the prior."""

import numpy as np

from genlab.evaluation import walks
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_uint8
from genlab.numerics.interpolation import linear, spherical

NUM_PAIRS = 5
NUM_STEPS = 9
"""Images on a path, both ends included."""
PATHS = {"normal": spherical}
"""By the prior; linear where there is none, or another."""


def draw(task: Task, scores: Scores) -> None:
    """Keeps `interpolations`: images (pairs, steps, height, width, channels), names (pairs, 2), and the kind of path.

    Where the ends are test images, also `originals` (pairs, 2, height, width, channels).
    """
    path = PATHS.get(walks.prior_of(task), linear)
    pairs = _pairs(task)
    kept = {"path": np.array(path.__name__)}
    if task.model.can("encode"):
        ends = walks.encode(task, [image for pair in pairs for image in pair])
        kept["names"] = np.array([[walks.name(task, image) for image in pair] for pair in pairs])
        rows = [[image.row for image in pair] for pair in pairs]
        kept["originals"] = task.model.as_seen(np.asarray(task.real.images))[rows]
    else:
        ends = walks.draw(task, 2 * len(pairs), "interpolations")
        kept["names"] = np.array(
            [[f"draw {2 * index + 1}", f"draw {2 * index + 2}"] for index in range(len(pairs))]
        )
    latents = np.concatenate(
        [path(first, last, NUM_STEPS) for first, last in ends.reshape(len(pairs), 2, -1)]
    )
    images = to_uint8(task.model.decode(latents))
    scores.arrays["interpolations"] = kept | {
        "images": images.reshape(len(pairs), NUM_STEPS, *images.shape[1:])
    }


def _pairs(task: Task) -> list[tuple[walks.Named, walks.Named]]:
    """Returns each class with the one half of all classes away: of ten digits 0 and 5, 3 and 8."""
    images = walks.first_of_each_class(task)
    half = len(images) // 2
    return [(images[index], images[index + half]) for index in range(min(half, NUM_PAIRS))]
