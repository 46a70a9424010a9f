"""What both walks through latent space share: where they begin, and how far a latent reaches."""

from typing import NamedTuple

import numpy as np

from genlab.evaluation.task import Task
from genlab.settings import seeds

REACH = 3.0
"""Deviations to either side of the middle."""


class Range(NamedTuple):
    """Where the latents lie, per dimension.

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


class Named(NamedTuple):
    """A test image: its row among those of the classes that train has, and its class, -1 where it has none."""

    row: int
    label: int


def prior_of(task: Task) -> str:
    """Returns `normal`, `uniform`, or `none`."""
    if "prior" not in task.model.sources():
        return "none"
    return str(task.model.settings["settings"].get("prior", "normal"))


def range_of(task: Task, latents: np.ndarray | None) -> Range:
    """Returns the range of the prior; without one, that of the latents (n, latent_dim) of test images."""
    size, prior = (task.model.latent_dim or 0), prior_of(task)
    if prior == "uniform":  # on [-1, 1]
        return Range(
            np.zeros(size, np.float32),
            np.full(size, 3**-0.5, np.float32),
            3**0.5,
            "the prior's mean",
        )
    if prior == "none" and latents is not None:
        return Range(
            latents.mean(axis=0), latents.std(axis=0), REACH, "the mean of the test latents"
        )
    return Range(np.zeros(size, np.float32), np.ones(size, np.float32), REACH, "the prior's mean")


def first_of_each_class(task: Task) -> list[Named]:
    """Returns the first test image of each class in the order of the classes; without two classes, the first images."""
    labels = np.asarray(task.real.labels)
    classes, rows = np.unique(labels, return_index=True)
    if len(classes) < 2:
        return [Named(row, -1) for row in range(min(10, len(labels)))]
    return [Named(int(row), int(label)) for row, label in zip(rows, classes, strict=True)]


def name(task: Task, image: Named) -> str:
    """Returns `"3, test image 18"`."""
    names, place = task.description["class_names"], f"test image {image.row}"
    return f"{names[image.label]}, {place}" if 0 <= image.label < len(names) else place


def encode(task: Task, images: list[Named]) -> np.ndarray:
    """Returns the latents of test images, (n, latent_dim); of a VAE the posterior means."""
    return task.model.encode(task.floats[[image.row for image in images]])


def draw(task: Task, count: int, what: str) -> np.ndarray:
    """Returns `count` latents from the prior, of a seed of their own."""
    return task.model.draw_latents(count, seeds.derive(task.seed, what), "prior")
