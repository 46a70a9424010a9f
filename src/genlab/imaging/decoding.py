"""Picture files as arrays: the one decoder of every road into the project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from genlab.runtime.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Source = Path | BinaryIO
"""A picture file, or its content; then the functions are given a name for errors, too."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
KINDS = "PNG, JPEG, WebP, BMP, TIFF or GIF"
ORIENTATION = 0x0112  # the EXIF tag


def read_size(source: Source, name: str = "") -> tuple[int, int]:
    """Returns the height and width of a picture that is turned upright, in pixels."""
    with _opened(source, name) as picture:
        turned = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def is_grey(source: Source, name: str = "") -> bool:
    """Returns whether a picture has no colour channels."""
    with _opened(source, name) as picture:
        return picture.mode in ("1", "L", "LA") or picture.mode.startswith(("I", "F"))


def read_image(
    source: Source, channels: int, size: tuple[int, int] | None, name: str = ""
) -> np.ndarray:
    """Returns a picture upright, on white, with 8 bits: uint8 (height, width, channels).

    Args:
        source: A picture in one of `FORMATS`.
        channels: 1 (grey) or 3 (colour).
        size: Height and width to fill, the rest is cropped; or None: the picture's own.
        name: Of the picture, for errors; the path if not given.

    Raises:
        InputError: The file is not a readable picture.
    """
    from PIL import Image, ImageOps

    with _opened(source, name) as opened:
        upright = ImageOps.exif_transpose(opened)
        picture = _on_white(_to_8_bits(upright)).convert("L" if channels == 1 else "RGB")
    if size and (picture.height, picture.width) != size:
        picture = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(picture.height, picture.width, channels)


@contextmanager
def _opened(source: Source, name: str) -> Iterator["Image.Image"]:
    """Opens a picture; a fault in the file, also one that decoding meets, is an InputError."""
    from PIL import Image

    try:
        with Image.open(source, formats=FORMATS) as picture:
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else error
        raise InputError(
            f"{name or source} must be a readable picture ({KINDS})",
            str(reason),
            "Fix or remove it",
        ) from None


def _to_8_bits(picture: "Image.Image") -> "Image.Image":
    """Returns 16-bit grey values as 8 bits; Pillow's own conversion cuts everything above 255."""
    from PIL import Image

    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture, np.float64)
    return Image.fromarray(np.rint(np.clip(values, 0, 65535) / 257).astype(np.uint8))


def _on_white(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    colour = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour)
