"""Grids of images for the page."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genlab import images, pages
from genlab.pages import Picture

PROGRESS_BYTES = 2_600_000
"""Of all grids of growth together: a third more on the page, which shall stay below 6 MB."""


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
    return pages.picture(buffer.getvalue(), len(shown))


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
