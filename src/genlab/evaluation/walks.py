"""What interpolations and traversals share: where they start, and how far a latent reaches."""

from typing import NamedTuple

import numpy as np

from genlab.contract.capabilities import Generates
from genlab.evaluation.task import EvaluationTask
from genlab.settings import seeds
from genlab.trained.generators import PRIOR

REACH = 3.0
"""Deviations to either side of the middle."""


class Range(NamedTuple):
    """Where the latents are, per dimension.

    Attributes:
        middle: float32 (latent_dim,).
        deviation: float32 (latent_dim,).
        reach: Deviations that a walk goes to either side of the middle.
        origin: What the middle is, in words.
    """

    middle: np.ndarray
    deviation: np.ndarray
    reach: float
    origin: str


class ChosenImage(NamedTuple):
    """A test image: its row among those of the classes that train has, and its class, or -1."""

    row: int
    label: int


def range_of(task: EvaluationTask, latents: np.ndarray | None) -> Range:
    """Returns the range of the prior; without one, that of the latents of test images."""
    prior = task.model.model.prior if isinstance(task.model.model, Generates) else None
    if prior is None and latents is not None:
        origin = "the mean of the test latents"
        return Range(latents.mean(axis=0), latents.std(axis=0), REACH, origin)
    deviation, reach = (3**-0.5, 3**0.5) if prior == "uniform" else (1.0, REACH)  # on [-1, 1]
    middle = np.zeros(task.model.latent_dim or 0, np.float32)
    return Range(middle, np.full_like(middle, deviation), reach, "the prior's mean")


def first_of_each_class(task: EvaluationTask) -> list[ChosenImage]:
    """Returns the first test image of each class; without two classes, the first images."""
    labels = np.asarray(task.real.labels)
    classes, rows = np.unique(labels, return_index=True)
    if len(classes) < 2:
        return [ChosenImage(row, -1) for row in range(min(10, len(labels)))]
    return [ChosenImage(int(row), int(label)) for row, label in zip(rows, classes, strict=True)]


def name(task: EvaluationTask, image: ChosenImage) -> str:
    """Returns `"3, test image 18"`."""
    names, place = task.description["class_names"], f"test image {image.row}"
    return f"{names[image.label]}, {place}" if 0 <= image.label < len(names) else place


def encode(task: EvaluationTask, images: list[ChosenImage]) -> np.ndarray:
    """Returns the latents of test images, (n, latent_dim); of a posterior the means."""
    return task.model.encode(task.floats[[image.row for image in images]])


def draw(task: EvaluationTask, count: int, purpose: str) -> np.ndarray:
    """Returns `count` latents from the prior, of a seed of their own."""
    return task.model.draw_latents(count, seeds.derive(task.seed, purpose), PRIOR)
