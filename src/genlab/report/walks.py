"""Walks through latent space: paths between two images, and one dimension at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genlab.pages import significant
from genlab.report import pictures
from genlab.report.laboratory import Arrays, ReportedModel
from genlab.report.strips import StripCell

WIDTH = 400
"""Of a path, about, in CSS pixels."""
TILE = 112
"""Of an image beside a slider, about, in CSS pixels."""
HOW = {
    "spherical": "on the arc between both, since the prior is normal",
    "linear": "on the straight line between both",
}


@dataclass(frozen=True)
class WalkRows:
    """The paths of one model, a row of images each, and how they came about."""

    note: str
    rows: list[StripCell]


def paths(model: ReportedModel) -> WalkRows | None:
    """Returns the model's interpolations, if evaluation wrote any."""
    arrays = model.arrays.get("interpolations")
    if not arrays:
        return None
    kind, ends = str(arrays["path"]), "no encoder: between two draws from the prior"
    if "originals" in arrays:
        ends = "test images stand at both ends"
    rows = [_path(model.name, arrays, row) for row in range(len(arrays["images"]))]
    return WalkRows(f"{kind.capitalize()}, {HOW.get(kind, kind)}; {ends}.", rows)


def _path(name: str, arrays: Arrays, row: int) -> StripCell:
    (first, last), images = arrays["names"][row], arrays["images"][row]
    alt = f"{len(images)} images by {name} from {first} to {last}, {arrays['path']}."
    if "originals" in arrays:
        before, after = arrays["originals"][row]
        images = np.concatenate([before[None], images, after[None]])
        alt += " Outermost: the originals."
    title = " to ".join(str(end).partition(",")[0] for end in (first, last))
    return StripCell(title, picture=pictures.row(images, WIDTH), alt=alt)


def traversals(model: ReportedModel) -> dict[str, Any]:
    """Returns what the page shows with sliders; nothing if evaluation wrote no traversals.

    `starts` are names and sheets of images, a row per dimension; `dimensions` number, strength
    and both in words, the strongest first; `data` is what the script needs.
    """
    arrays = model.arrays.get("traversals")
    if not arrays:
        return {}
    images, offsets, what = arrays["images"], arrays["offsets"], str(arrays["strength"])
    height, width = images.shape[3:5]
    places = [_places(position, offsets) for position in arrays["positions"]]
    steps = [round(float(offset), 4) for offset in offsets]
    return {
        "note": _note(arrays),
        "starts": list(zip(arrays["starts"], map(pictures.sheet, images), strict=True)),
        "dimensions": [
            (int(number), significant(float(value)), f"Dimension {number}, {what}: {value:.3g}")
            for number, value in zip(arrays["dimensions"], arrays["strengths"], strict=True)
        ],
        "data": {"offsets": steps, "size": (width, height), "places": places},
        "scale": max(1, round(TILE / max(width, height))),
    }


def _places(position: np.ndarray, offsets: np.ndarray) -> list[int]:
    """Returns of each dimension the slider's step that is nearest to the start."""
    return [int(np.abs(offsets - place).argmin()) for place in position]


def _note(arrays: Arrays) -> str:
    shown, total = len(arrays["dimensions"]), int(arrays["latent_dim"])
    count = f"All {total} dimensions" if shown == total else f"{shown} of {total} dimensions"
    reach = significant(float(arrays["offsets"][-1]), 2)
    return (
        f"{count}, by {arrays['strength']}, the largest first. A slider sets its dimension to up "
        f"to {reach} deviations on either side of {arrays['middle']}; all others stay as the "
        "start has them."
    )
