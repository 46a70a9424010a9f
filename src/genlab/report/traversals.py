"""Traversals: one latent dimension at a time, each with a slider."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genlab.pages import significant
from genlab.report import pictures
from genlab.report.collect import Model


@dataclass(frozen=True)
class Start:
    """Where walks begin: its name, the sheet of all images (a row per dimension), and each slider's first place."""

    name: str
    sheet: str
    places: list[int]


@dataclass(frozen=True)
class Dimension:
    """One latent dimension: its number, how much it says, and what the slider's steps are, in words."""

    number: int
    strength: str
    title: str


@dataclass(frozen=True)
class Traversals:
    """All walks of one model.

    Attributes:
        note: What is shown, of how many.
        starts: Where the walks begin.
        dimensions: The strongest first.
        offsets: Of the slider's steps, in deviations.
        size: Width and height of one image in pixels.
        scale: By which whole number the pixels are enlarged.
    """

    note: str
    starts: list[Start]
    dimensions: list[Dimension]
    offsets: list[float]
    size: tuple[int, int]
    scale: int

    def data(self) -> dict[str, Any]:
        """Returns what the script needs."""
        return {
            "offsets": self.offsets,
            "size": self.size,
            "places": [start.places for start in self.starts],
        }


TILE = 112
"""What an image takes, about, in CSS pixels."""


def traversals(model: Model) -> Traversals | None:
    """Returns the model's traversals, where evaluation wrote them."""
    found = model.traversals
    if not found:
        return None
    images, offsets = found["images"], found["offsets"]
    height, width = images.shape[3:5]
    starts = [
        Start(
            str(name),
            pictures.sheet(each),
            [int(np.abs(offsets - place).argmin()) for place in places],
        )
        for name, each, places in zip(found["starts"], images, found["positions"], strict=True)
    ]
    dimensions = [
        Dimension(
            int(number),
            significant(float(strength)),
            f"Dimension {number}, {found['strength']}: {strength:.3g}",
        )
        for number, strength in zip(found["dimensions"], found["strengths"], strict=True)
    ]
    return Traversals(
        note=_note(found),
        starts=starts,
        dimensions=dimensions,
        offsets=[round(float(offset), 4) for offset in offsets],
        size=(width, height),
        scale=max(1, round(TILE / max(width, height))),
    )


def _note(found: dict[str, np.ndarray]) -> str:
    shown, total = len(found["dimensions"]), int(found["latent_dim"])
    count = f"All {total} dimensions" if shown == total else f"{shown} of {total} dimensions"
    reach = significant(float(found["offsets"][-1]), 2)
    return (
        f"{count}, by {found['strength']}, the largest first. A slider sets its dimension to up to {reach} deviations "
        f"on either side of {found['middle']}; all others stay as the start has them."
    )
