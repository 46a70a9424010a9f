"""Grids of images for the page."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genlab import pages
from genlab.imaging import arrays
from genlab.pages import Picture

COLUMNS, MOST = 8, 64
"""Images in a row of a grid, and in all."""
PROGRESS_BYTES = 1_500_000
"""Of all grids of growth together: a third more on the page, which stays below 6 MB."""
THUMBNAIL = 28
"""The longer side of an image under the cursor, in its own pixels, at most."""
PNG: dict[str, Any] = {"format": "PNG", "optimize": True}
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 85, "subsampling": 0, "optimize": True}


class Thumbnails(NamedTuple):
    """Images on one sheet: its data URI, images in a row, width and height of one in pixels."""

    sheet: str
    columns: int
    width: int
    height: int


def grid(images: np.ndarray) -> Picture:
    """Returns images, uint8 (n, height, width, channels), 8 in a row on white, at most 64."""
    shown = images[:MOST]
    return pages.picture(_encode(arrays.grid(shown, columns=COLUMNS), PNG), len(shown))


def by_class(images: np.ndarray, labels: np.ndarray) -> Picture:
    """Returns images (n, height, width, channels) with a row per class of `labels` (n,)."""
    rows = [images[labels == label][:COLUMNS] for label in np.unique(labels)]
    columns = max(len(row) for row in rows)
    white = np.full((columns, *images.shape[1:]), 255, np.uint8)
    filled = np.concatenate([np.concatenate([row, white])[:columns] for row in rows])
    png = _encode(arrays.grid(filled, columns=columns), PNG)
    return pages.picture(png, sum(len(row) for row in rows))


def row(images: np.ndarray, width: int) -> Picture:
    """Returns images (n, height, width, channels) in a row, about `width` CSS pixels wide."""
    png = _encode(arrays.grid(images, columns=len(images)), PNG)
    return pages.picture(png, len(images), width=width)


def sheet(images: np.ndarray) -> str:
    """Returns images (rows, columns, height, width, channels) without gaps, as a data URI."""
    flat = images.reshape(-1, *images.shape[2:])
    return _compact(arrays.grid(flat, columns=images.shape[1], gap=0))


def thumbnails(images: np.ndarray) -> Thumbnails:
    """Returns a sheet of images (n, height, width, channels), smaller where a side is long."""
    columns, (height, width) = math.ceil(math.sqrt(len(images))), images.shape[1:3]
    share = min(1.0, THUMBNAIL / max(height, width))
    canvas = arrays.grid(images, columns=columns, gap=0)
    size = max(1, round(width * share)), max(1, round(height * share))
    if share < 1:
        rows = canvas.shape[0] // height
        canvas = _resized(canvas, columns * size[0], rows * size[1])
    return Thumbnails(_compact(canvas), columns, *size)


def progress(grids: Sequence[tuple[int, Path]], budget: float) -> list[Picture]:
    """Returns the grids that training wrote; where they are too large, evenly fewer of them.

    Args:
        grids: Step and file, ascending.
        budget: Bytes of these grids together; the last one stays in any case.
    """
    files = [(step, *_small(path)) for step, path in grids]
    while len(files) > 1 and sum(len(content) for _, content, _ in files) > budget:
        files = files[::-1][::2][::-1]
    return [pages.picture(content, step=step, kind=kind) for step, content, kind in files]


def _small(path: Path) -> tuple[bytes, str]:
    """Returns a grid of grey images as it is, one of colour images as JPEG, a fifth of the size."""
    from PIL import Image

    with Image.open(path) as image:
        if image.mode == "L":
            return path.read_bytes(), "png"
        return _encode(np.asarray(image), JPEG), "jpeg"


def _compact(canvas: np.ndarray) -> str:
    """Returns grey images without loss, colour ones as JPEG, as a data URI."""
    if canvas.shape[-1] == 1:
        return pages.data_uri(_encode(canvas, PNG))
    return pages.data_uri(_encode(canvas, JPEG), "jpeg")


def _resized(canvas: np.ndarray, width: int, height: int) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas)
    smaller = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(smaller).reshape(height, width, -1)


def _encode(canvas: np.ndarray, options: dict[str, Any]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas).save(buffer, **options)
    return buffer.getvalue()
