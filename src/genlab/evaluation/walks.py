"""Walks through latent space, for a look: between images, and along one dimension at a time.

The latter as in Higgins et al., "beta-VAE", ICLR 2017, figure 4.
"""

from typing import NamedTuple

import numpy as np

from genlab.contract.capabilities import Generates
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_uint8
from genlab.settings import seeds
from genlab.trained.generators import PRIOR

NUM_PAIRS = 5
NUM_STEPS = 9
"""Images between two, both included."""
NUM_DIMENSIONS = 24
NUM_OFFSETS = 13
NUM_STARTS = 2
"""Test images to start at, beside the middle."""
REACH = 3.0
"""Deviations to either side of the middle."""


class Range(NamedTuple):
    """Middle and deviation of the latents (latent_dim,), and the steps of a walk in deviations.

    `origin` is what the middle is, in words.
    """

    middle: np.ndarray
    deviation: np.ndarray
    offsets: np.ndarray
    origin: str


def draw(task: Task, scores: Scores) -> None:
    """Adds the arrays `interpolations` and `traversals` where latents are vectors."""
    if task.model.can("decode"):
        scores.arrays["interpolations"] = interpolations(task)
        scores.arrays["traversals"] = traversals(task, scores)


def interpolations(task: Task) -> dict[str, np.ndarray]:
    """Returns paths between test images; without an encoder between draws from the prior.

    Returns:
        path: The kind of path.
        names: (pairs, 2), of the ends.
        originals: uint8 (pairs, 2, height, width, channels), where the ends are test images.
        images: uint8 (pairs, steps, height, width, channels).
    """
    rows = _rows(task)
    half = len(rows) // 2  # of ten digits 0 goes to 5, and 1 to 6
    pairs = np.array(list(zip(rows[:half], rows[half:], strict=False))[:NUM_PAIRS])
    arrays = {"path": np.array(task.model.path.__name__)}
    if task.model.can("encode"):
        ends = _encode(task, pairs.ravel())
        arrays["names"] = np.array([[_name(task, row) for row in pair] for pair in pairs])
        arrays["originals"] = task.model.as_seen(np.asarray(task.real.images))[pairs]
    else:
        ends = _draw(task, pairs.size, "interpolations")
        names = [f"draw {index + 1}" for index in range(pairs.size)]
        arrays["names"] = np.reshape(names, pairs.shape)
    pairs_of_ends = ends.reshape(len(pairs), 2, -1)
    paths = np.stack([task.model.path(*pair, NUM_STEPS) for pair in pairs_of_ends])
    return arrays | {"images": _decode(task, paths)}


def traversals(task: Task, scores: Scores) -> dict[str, np.ndarray]:
    """Returns walks along one dimension while the others stay, the strongest dimensions first.

    Returns:
        images: uint8 (starts, dimensions, steps, height, width, channels).
        starts: (starts,), where each walk starts, in words.
        dimensions: (dimensions,), at most `NUM_DIMENSIONS`.
        strengths: (dimensions,), how much each says, and `strength`, what that is.
        offsets: (steps,), deviations from the middle.
        deviations: (dimensions,), and `middle`, what the offsets are counted from.
        positions: (starts, dimensions), where the start itself is, in deviations from the middle.
        latent_dim: The number of all dimensions.
    """
    around = range_of(task, scores.arrays.get("latents", {}).get("latents"))
    starts, names = _starts(task, around)
    strengths, strength = _strengths(task, scores, around)
    dimensions = np.argsort(-strengths, kind="stable")[:NUM_DIMENSIONS]
    deviations = np.where(around.deviation > 0, around.deviation, 1)
    return {
        "images": np.stack([_walk(task, start, around, dimensions) for start in starts]),
        "starts": np.array(names),
        "dimensions": dimensions,
        "strengths": strengths[dimensions],
        "strength": np.array(strength),
        "offsets": around.offsets,
        "deviations": around.deviation[dimensions],
        "middle": np.array(around.origin),
        "positions": ((starts - around.middle) / deviations)[:, dimensions],
        "latent_dim": np.array(task.model.latent_dim),
    }


def range_of(task: Task, latents: np.ndarray | None) -> Range:
    """Returns the range of the prior; without one, that of the latents of test images."""
    prior = task.model.model.prior if isinstance(task.model.model, Generates) else None
    deviation, reach = (3**-0.5, 3**0.5) if prior == "uniform" else (1.0, REACH)  # on [-1, 1]
    offsets = np.linspace(-reach, reach, NUM_OFFSETS)
    if prior is None and latents is not None:
        middle, origin = latents.mean(axis=0), "the mean of the test latents"
        return Range(middle, latents.std(axis=0), offsets, origin)
    middle = np.zeros(task.model.latent_dim or 0, np.float32)
    return Range(middle, np.full_like(middle, deviation), offsets, "the prior's mean")


def _starts(task: Task, around: Range) -> tuple[np.ndarray, list[str]]:
    """Returns latents (n, latent_dim) and their names: test images, or else draws; the middle."""
    if task.model.can("encode"):
        rows = _rows(task)
        rows = rows[3::5][:NUM_STARTS] or rows[:NUM_STARTS]
        latents, names = _encode(task, rows), [_name(task, row) for row in rows]
    else:
        latents = _draw(task, NUM_STARTS, "traversals")
        names = [f"prior draw {index + 1}" for index in range(NUM_STARTS)]
    return np.concatenate([latents, around.middle[None]]), [*names, around.origin]


def _strengths(task: Task, scores: Scores, around: Range) -> tuple[np.ndarray, str]:
    """Returns how much each dimension says, (latent_dim,), and what that is."""
    if "kl_per_dimension" in scores.arrays:
        return scores.arrays["kl_per_dimension"]["kl"], "KL, nats per image"
    if "latents" in scores.arrays:
        latents = scores.arrays["latents"]["latents"]
        return latents.var(axis=0, dtype=np.float64), "variance of the test latents"
    images = _walk(task, around.middle, around, np.arange(len(around.middle)))
    variances = images.astype(np.float64).var(axis=1).mean(axis=(1, 2, 3)) / 255**2
    return variances, "variance per pixel that it makes"


def _walk(task: Task, start: np.ndarray, around: Range, dimensions: np.ndarray) -> np.ndarray:
    """Returns the images, uint8 (dimensions, steps, height, width, channels)."""
    latents = np.tile(start, (len(dimensions), len(around.offsets), 1))
    for row, dimension in enumerate(dimensions):
        moved = around.middle[dimension] + around.offsets * around.deviation[dimension]
        latents[row, :, dimension] = moved
    return _decode(task, latents)


def _decode(task: Task, latents: np.ndarray) -> np.ndarray:
    """Returns the images of latents (..., latent_dim), uint8 (..., height, width, channels)."""
    images = to_uint8(task.model.decode(latents.reshape(-1, latents.shape[-1])))
    return images.reshape(*latents.shape[:-1], *images.shape[1:])


def _encode(task: Task, rows: np.ndarray | list[int]) -> np.ndarray:
    return task.model.encode(task.floats[rows])


def _draw(task: Task, count: int, purpose: str) -> np.ndarray:
    return task.model.draw_latents(count, seeds.derive(task.seed, purpose), PRIOR)


def _rows(task: Task) -> list[int]:
    """Returns the first test image of each class; without two classes, the first images."""
    classes, rows = np.unique(np.asarray(task.real.labels), return_index=True)
    return rows.tolist() if len(classes) > 1 else list(range(min(10, len(task.real.labels))))


def _name(task: Task, row: int) -> str:
    """Returns `"3, test image 18"`, or without the class where there is none."""
    names, label = task.description["class_names"], task.real.labels[row]
    place = f"test image {row}"
    return f"{names[label]}, {place}" if 0 <= label < len(names) else place
