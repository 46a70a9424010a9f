"""Picture files as arrays: the one decoder of every road into the project.

Every picture is turned upright (EXIF), laid on white if it is transparent, and made grey or colour
with 8 bits. Of an animation the first frame counts. Everything else that a file says about its
picture is ignored, so damage there harms nothing.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from genlab.imaging import dicom
from genlab.runtime.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Source = Path | BinaryIO
"""A picture file, or its content; then the functions are given a name for errors, too."""
DICOM_ENDINGS = (".dcm", ".dicom")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
KINDS = "PNG, JPEG, WebP, BMP, TIFF or GIF"
MAX_PIXELS = 178_956_970
"""Of a picture: 512 MiB of colour. Pillow refuses more as a likely decompression bomb."""
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""By EXIF orientation what turns the picture upright, a `Transpose` of Pillow."""
COLOUR_KEYS: dict[str, Callable[[int], int]] = {
    "L;2": lambda sample: sample * 85,
    "L;4": lambda sample: sample * 17,
    "RGB;16B": lambda sample: sample >> 8,
}
"""By a PNG's samples how Pillow makes 8 bits of them; it leaves the transparent colour as it is."""


def read_size(source: Source, name: str = "") -> tuple[int, int]:
    """Returns the height and width of a picture that is turned upright, in pixels."""
    with _opened(source, name) as picture:
        turned = _orientation(picture) in (5, 6, 7, 8)
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def is_grey(source: Source, name: str = "") -> bool:
    """Returns whether a picture has no colour channels."""
    with _opened(source, name) as picture:
        mode = "LA" if _samples(picture) == "LA;16B" else picture.mode
        return mode in ("1", "L", "LA", "La") or mode.startswith(("I", "F"))


def read_image(
    source: Source, channels: int, size: tuple[int, int] | None, name: str = ""
) -> np.ndarray:
    """Returns a picture upright, on white, with 8 bits: uint8 (height, width, channels).

    Args:
        source: A picture in one of `FORMATS`, or DICOM.
        channels: 1 (grey) or 3 (colour).
        size: Height and width to fill, the rest is cropped; or None: the picture's own.
        name: Of the picture, for errors; the path if not given.

    Raises:
        InputError: The file is not a readable picture.
    """
    from PIL import Image, ImageOps

    with _opened(source, name) as opened:
        picture = _decoded(opened).convert("L" if channels == 1 else "RGB")
        if size and (picture.height, picture.width) != size:
            picture = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.LANCZOS)
        return np.asarray(picture, np.uint8).reshape(picture.height, picture.width, channels)


def read_exactly(source: Source, shape: tuple[int, ...], name: str, where: str) -> np.ndarray:
    """Returns a picture of one shape (height, width, channels), uint8; see `read_image`.

    Raises:
        InputError: It has another size, which is checked before it is unpacked, or is not readable.
    """
    height, width, channels = shape
    with _opened(source, name) as picture:
        size = picture.height, picture.width
    if sorted(size) == sorted((height, width)):
        image = read_image(source, channels, None, name)
        size = image.shape[0], image.shape[1]
    if size != (height, width):
        raise InputError(f"{name} must be {width}x{height} pixels", f"{size[1]}x{size[0]}", where)
    return image


@contextmanager
def _opened(source: Source, name: str) -> Iterator["Image.Image"]:
    """Opens a picture; a fault in the file, also one that decoding meets, is an InputError."""
    from PIL import Image

    expected = f"{name or source} must be a readable picture ({KINDS})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and of what else the file says
            with _open(source) as picture:
                yield picture
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        received = str(error).partition(" exceeds")[0]
        expected = f"{name or source} must be a picture of at most {MAX_PIXELS:,} pixels"
        raise InputError(expected, received, "Make it smaller, or remove it") from None
    except Image.UnidentifiedImageError:
        raise InputError(expected, "not an image", "Fix or remove it") from None
    except Exception as error:  # Pillow raises errors of many kinds for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(expected, reason, "Fix or remove it") from None


def _open(source: Source) -> "Image.Image":
    from PIL import Image

    try:
        return Image.open(source, formats=FORMATS)
    except Image.UnidentifiedImageError:
        if not dicom.is_dicom(source):
            raise
        return dicom.read(source)


def _decoded(opened: "Image.Image") -> "Image.Image":
    """Returns the whole picture upright, on white, with 8 bits."""
    from PIL import Image

    samples = _samples(opened)
    opened.load()
    if samples in COLOUR_KEYS and "transparency" in opened.info:
        key, to_8_bits = opened.info["transparency"], COLOUR_KEYS[samples]
        key = tuple(map(to_8_bits, key)) if isinstance(key, tuple) else to_8_bits(key)
        opened.info["transparency"] = key
    turn = TURNS.get(_orientation(opened))
    picture = opened.transpose(Image.Transpose[turn]) if turn else opened
    return _on_white(_to_8_bits(picture))


def _samples(picture: "Image.Image") -> str:
    """Returns how the samples of a PNG that is not loaded lie in the file: `L;2`, `RGB;16B`."""
    tiles = getattr(picture, "tile", [])
    return str(tiles[0].args) if picture.format == "PNG" and tiles else ""


def _orientation(picture: "Image.Image") -> int:
    """Returns the EXIF orientation; 1, upright, where there is none or it is not readable."""
    if picture.format == "TIFF":
        return 1  # Pillow turns them
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises errors of many kinds for damaged EXIF
        return 1
    return orientation if orientation in TURNS else 1


def _to_8_bits(picture: "Image.Image") -> "Image.Image":
    """Returns 16-bit grey values as 8 bits; Pillow's own conversion cuts everything above 255."""
    from PIL import Image

    if picture.mode == "F":
        raise ValueError("floating-point values")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"values from {values.min()} to {values.max()}, not of 16 bits")
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)  # rounded
    grey[values == picture.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def _on_white(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    colour = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour)
