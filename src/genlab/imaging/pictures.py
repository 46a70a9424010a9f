"""Images that a notebook shows as a grid; everywhere else they are an ordinary array."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from genlab.imaging.arrays import as_picture, grid, to_uint8
from genlab.runtime.errors import InputError

MIN_PIXELS = 40
"""Smaller images are enlarged, each pixel as a square, until the shorter side has this many."""
MAX_SHOWN = 400
"""A longer array shows its first images."""


class Pictures(np.ndarray):
    """Images, uint8 or floats in [0, 1], (n, height, width, 1 or 3); other shapes show as arrays.

    Args:
        images: The images.
        columns: Per row of the grid; the nearest to a square when not given.
    """

    columns: int | None

    def __new__(cls, images: Any, columns: int | None = None) -> "Pictures":
        """Returns a view of the images."""
        view = np.asarray(images).view(cls)
        view.columns = columns
        return view

    def __array_finalize__(self, source: Any) -> None:
        self.columns = getattr(source, "columns", None)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Returns pictures if a calculation gives such a shape, else a bare array or number."""
        if array.ndim == self.ndim == 4:
            return super().__array_wrap__(array, context, return_scalar)
        return array[()] if return_scalar else np.asarray(array)

    def in_columns(self, columns: int) -> "Pictures":
        """Returns the same images with `columns` of them per row of the grid."""
        return Pictures(self, columns)

    def save(self, path: Path | str) -> None:
        """Writes the grid, pixel by pixel, to a PNG.

        Raises:
            InputError: The array is not of images, or the name does not end in `.png`.
        """
        path = Path(path)
        if path.suffix != ".png" or not self._has_images():
            raise InputError(
                "path must end in .png, and pictures have the shape (n, height, width, 1 or 3)",
                f"{path}, {self.shape}",
                "See the argument of save",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_png(_grid(self, self.columns)))

    def _repr_png_(self) -> bytes | None:
        if not self._has_images():
            return None
        few = np.asarray(self)[:MAX_SHOWN]
        factor = max(1, -(-MIN_PIXELS // min(few.shape[1:3])))
        large = few.repeat(factor, axis=1).repeat(factor, axis=2)
        return _png(_grid(large, self.columns, gap=4))

    def _has_images(self) -> bool:
        kinds = self.dtype == np.uint8 or self.dtype.kind == "f"
        return kinds and self.ndim == 4 and self.shape[-1] in (1, 3) and self.size > 0


def read_png(path: Path) -> np.ndarray:
    """Returns a picture, uint8 (height, width, 1 or 3)."""
    from PIL import Image

    with Image.open(path) as opened:
        image = np.asarray(opened)
    return image[..., None] if image.ndim == 2 else image


def _grid(images: np.ndarray, columns: int | None, gap: int = 1) -> np.ndarray:
    values = np.asarray(images)
    return grid(values if values.dtype == np.uint8 else to_uint8(values), columns, gap)


def _png(image: np.ndarray) -> bytes:
    out = BytesIO()
    as_picture(image).save(out, format="PNG", optimize=True)
    return out.getvalue()
