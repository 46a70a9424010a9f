"""Paths from one test image to another through latent space; without an encoder between draws."""

import numpy as np

from genlab.evaluation import walks
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import EvaluationTask
from genlab.imaging.arrays import to_uint8

NUM_PAIRS = 5
NUM_STEPS = 9
"""Images on a path, both ends included."""


def draw(task: EvaluationTask, scores: Scores) -> None:
    """Adds the arrays `interpolations` where latents are vectors.

    images     uint8 (pairs, steps, height, width, channels)
    names      (pairs, 2), of the ends
    originals  uint8 (pairs, 2, height, width, channels), where the ends are test images
    path       the kind of path
    """
    if not task.model.can("decode"):
        return
    pairs = _pairs(task)
    arrays = {"path": np.array(task.model.path.__name__)}
    if task.model.can("encode"):
        latents = walks.encode(task, [image for pair in pairs for image in pair])
        names = [[walks.name(task, image) for image in pair] for pair in pairs]
        rows = [[image.row for image in pair] for pair in pairs]
        arrays["originals"] = task.model.as_seen(np.asarray(task.real.images))[rows]
    else:
        latents = walks.draw(task, 2 * len(pairs), "interpolations")
        names = [[f"draw {2 * index + 1}", f"draw {2 * index + 2}"] for index in range(len(pairs))]
    ends = latents.reshape(len(pairs), 2, -1)
    path = np.concatenate([task.model.path(first, last, NUM_STEPS) for first, last in ends])
    images = to_uint8(task.model.decode(path)).reshape(
        len(pairs), NUM_STEPS, *task.model.image_shape
    )
    scores.arrays["interpolations"] = arrays | {"names": np.array(names), "images": images}


def _pairs(task: EvaluationTask) -> list[tuple[walks.ChosenImage, walks.ChosenImage]]:
    """Returns each class with the one half of all classes away: of ten digits 0 and 5, 1 and 6."""
    images = walks.first_of_each_class(task)
    half = len(images) // 2
    return list(zip(images[:half], images[half:], strict=False))[:NUM_PAIRS]
