"""Grids of images as PNG data URIs that a page can hold."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genlab import images

GRID_WIDTH = 264
PROGRESS_BYTES = 2_600_000
"""Of all grids of growth together: a third more on the page, which shall stay below 6 MB."""


@dataclass(frozen=True)
class Picture:
    """A PNG for the page.

    Attributes:
        source: The data URI.
        width: Width in CSS pixels: a whole multiple of the pixels' number where they are to stay square.
        height: Height in CSS pixels.
        crisp: Whether pixels are enlarged as squares; false for a picture that is shown smaller than it is.
        count: The number of images in the grid.
        step: The training step, for growth.
    """

    source: str
    width: int
    height: int
    crisp: bool
    count: int = 0
    step: int = 0


def data_uri(png: bytes) -> str:
    """Returns PNG bytes as an address that holds them."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def grid(array: np.ndarray) -> Picture:
    """Returns a grid of images on white: 8 per row, at most 64.

    Args:
        array: uint8 (n, height, width, channels).
    """
    from PIL import Image

    shown = array[:64]
    canvas = images.grid(shown, columns=8)
    buffer = io.BytesIO()
    Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas).save(buffer, format="PNG", optimize=True)
    return _sized(buffer.getvalue(), canvas.shape[1], canvas.shape[0], len(shown))


def progress(grids: Sequence[tuple[int, Path]], budget: float) -> list[Picture]:
    """Returns the grids that training wrote, as they are; where they are too large, evenly fewer of them.

    Args:
        grids: Step and file, ascending.
        budget: Bytes that these grids may have together; the last one stays in any case.
    """
    from PIL import Image

    kept = list(grids)
    while len(kept) > 1 and sum(path.stat().st_size for _, path in kept) > budget:
        kept = kept[::-1][::2][::-1]
    pictures = []
    for step, path in kept:
        png = path.read_bytes()
        with Image.open(io.BytesIO(png)) as image:
            width, height = image.size
        pictures.append(_sized(png, width, height, step=step))
    return pictures


def _sized(png: bytes, width: int, height: int, count: int = 0, step: int = 0) -> Picture:
    scale = max(1, (GRID_WIDTH + width // 8) // width)
    crisp = width * scale <= GRID_WIDTH * 1.25
    shown = width * scale if crisp else GRID_WIDTH
    return Picture(data_uri(png), shown, round(height * shown / width), crisp, count, step)
