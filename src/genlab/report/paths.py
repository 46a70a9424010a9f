"""Interpolations: what lies between two images, row by row."""

from dataclasses import dataclass

import numpy as np

from genlab.pages import Picture
from genlab.report import pictures
from genlab.report.collect import Model

WIDTH = 400
"""Of a row, about, in CSS pixels."""
HOW = {
    "spherical": "on the arc between both, since the prior is normal",
    "linear": "on the straight line between both",
}


@dataclass(frozen=True)
class Path:
    """One path: a row of images, what it leads from and to, and the same for those who do not see it."""

    title: str
    picture: Picture
    alt: str


@dataclass(frozen=True)
class Paths:
    """The paths of one model, and how they came about."""

    note: str
    rows: list[Path]


def paths(model: Model) -> Paths | None:
    """Returns the model's interpolations, where evaluation wrote them."""
    found = model.interpolations
    if not found:
        return None
    rows = [_path(model, index) for index in range(len(found["images"]))]
    ends = (
        "test images stand at both ends"
        if "originals" in found
        else "no encoder: between two draws from the prior"
    )
    return Paths(f"{str(found['path']).capitalize()}, {HOW[str(found['path'])]}; {ends}.", rows)


def _path(model: Model, index: int) -> Path:
    found = model.interpolations
    (first, last), images = found["names"][index], found["images"][index]
    ends = ""
    if "originals" in found:
        before, after = found["originals"][index]
        images, ends = (
            np.concatenate([before[None], images, after[None]]),
            " Outermost: the originals.",
        )
    short = [end.partition(",")[0] for end in (str(first), str(last))]
    alt = f"{len(found['images'][index])} images by {model.name} from {first} to {last}, {found['path']}.{ends}"
    return Path(" to ".join(short), pictures.row(images, WIDTH), alt)
