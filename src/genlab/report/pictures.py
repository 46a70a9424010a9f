"""Grids of images for the page."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genlab import pages
from genlab.imaging import arrays
from genlab.pages import Picture

PROGRESS_BYTES = 2_600_000
"""Of all grids of growth together: a third more on the page, which shall stay below 6 MB."""
THUMBNAIL = 28
"""The longer side of an image under the cursor, in its own pixels, at most."""
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 85, "subsampling": 0, "optimize": True}


def grid(array: np.ndarray) -> Picture:
    """Returns a grid of images on white: 8 per row, at most 64.

    Args:
        array: uint8 (n, height, width, channels).
    """
    shown = array[:64]
    return pages.picture(_png(arrays.grid(shown, columns=8)), len(shown))


def row(array: np.ndarray, width: int) -> Picture:
    """Returns images (n, height, width, channels) beside each other on white, in about so many CSS pixels."""
    return pages.picture(_png(arrays.grid(array, columns=len(array))), len(array), width=width)


def sheet(array: np.ndarray) -> str:
    """Returns images (rows, columns, height, width, channels) without gaps, as a data URI."""
    return _compact(arrays.grid(array.reshape(-1, *array.shape[2:]), columns=array.shape[1], gap=0))


def thumbnails(array: np.ndarray) -> tuple[str, int, tuple[int, int]]:
    """Returns a sheet of images (n, height, width, channels), its columns, and an image's width and height there.

    Images are made smaller where a side is longer than `THUMBNAIL`.
    """
    from PIL import Image

    columns, (height, width) = math.ceil(math.sqrt(len(array))), array.shape[1:3]
    every = arrays.grid(array, columns=columns, gap=0)
    share = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    if share < 1:
        whole = Image.fromarray(every[..., 0] if every.shape[-1] == 1 else every)
        whole = whole.resize(
            (columns * size[0], every.shape[0] // height * size[1]), Image.Resampling.BOX
        )
        every = np.asarray(whole).reshape(whole.height, whole.width, -1)
    return _compact(every), columns, size


def _compact(canvas: np.ndarray) -> str:
    """Returns a sheet as a data URI: grey ones without loss, colour ones as JPEG, a fifth of the size."""
    return (
        pages.data_uri(_png(canvas))
        if canvas.shape[-1] == 1
        else pages.data_uri(_encode(canvas, JPEG), "jpeg")
    )


def _png(canvas: np.ndarray) -> bytes:
    return _encode(canvas, {"format": "PNG", "optimize": True})


def _encode(canvas: np.ndarray, how: dict[str, Any]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas).save(buffer, **how)
    return buffer.getvalue()


def progress(grids: Sequence[tuple[int, Path]], budget: float) -> list[Picture]:
    """Returns the grids that training wrote, as they are; where they are too large, evenly fewer of them.

    Args:
        grids: Step and file, ascending.
        budget: Bytes that these grids may have together; the last one stays in any case.
    """
    kept = list(grids)
    while len(kept) > 1 and sum(path.stat().st_size for _, path in kept) > budget:
        kept = kept[::-1][::2][::-1]
    return [pages.picture(path.read_bytes(), step=step) for step, path in kept]
