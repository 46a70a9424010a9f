"""Latents of test images in space, with the images: what the page turns, and what it shows under the cursor."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genlab.imaging import arrays
from genlab.report import drawing, pictures
from genlab.report.collect import Laboratory, Model
from genlab.report.latents import principal

NUM_POINTS = 2000
MIN_IMAGE_SIZE = 56
"""Of an image under the cursor, in CSS pixels, at least."""


@dataclass(frozen=True)
class Scatter:
    """Points in space.

    Attributes:
        note: Which images, and which axes.
        text: The same for those who do not see it.
        sheet: The images, `columns` of them in a row, as a data URI.
        data: What the script draws: coordinates, classes and their colours, names of the axes.
    """

    note: str
    text: str
    sheet: str
    data: dict[str, Any]


def scatter(laboratory: Laboratory, model: Model) -> Scatter | None:
    """Returns the latents of the first test images; nothing where the model has no encoder."""
    if not model.encodes:
        return None
    latents, labels = model.latents["latents"], model.latents["labels"]
    points, axes, how = _in_space(latents.astype(np.float64))
    number = min(NUM_POINTS, len(points))
    split, _ = arrays.part_outliers(
        arrays.read_split(laboratory.images, "test"), laboratory.dataset
    )
    sheet, columns, size = pictures.thumbnails(np.asarray(split.images[:number]))
    names = laboratory.dataset["class_names"]
    note = f"{number:,} of {len(split.labels):,} test images. {how}."
    data = {
        "points": [[float(f"{value:.4g}") for value in column] for column in points[:number].T],
        "axes": axes,
        "classes": _classes(labels[:number], names),
        "columns": columns,
        "size": size,
        "scale": max(1, -(-MIN_IMAGE_SIZE // max(size))),
    }
    text = f"The latents of {number:,} test images of {model.name} in three dimensions, coloured by class. {how}."
    return Scatter(note, text, sheet, data)


def _classes(labels: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Returns per class its name, its colours in light and dark, and its points."""
    found = []
    for label in np.unique(labels).tolist():
        colour = drawing.class_colour(label)
        name = str(names[label]) if 0 <= label < len(names) else "no class"
        rows = np.flatnonzero(labels == label).tolist()
        found.append({"name": name, "light": colour, "dark": drawing.on_dark(colour), "rows": rows})
    return found


def _in_space(points: np.ndarray) -> tuple[np.ndarray, list[str], str]:
    size = points.shape[1]
    if size > 3:
        shown, share = principal(points, 3)
        axes = [f"component {index}" for index in (1, 2, 3)]
        return (
            shown,
            axes,
            f"First three principal components of {size} latent dimensions, {share:.0%} of their variance",
        )
    flat = np.zeros((len(points), 3 - size))
    axes = [f"dimension {index}" if index < size else "" for index in range(3)]
    return np.column_stack([points, flat]), axes, "The latent dimensions as they are"
