"""DICOM files as grey or colour pictures, with the package `pydicom`, the extra `dicom`.

Grey values are rescaled as the file says. Black and white are the ends of its first window, or the
least and the largest value of the picture if it has none. Of several frames the first counts.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from genlab.imaging.arrays import to_uint8
from genlab.runtime.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

MARK, MARK_PLACE = b"DICM", 128


def is_dicom(source: Path | BinaryIO) -> bool:
    """Returns whether a file has the mark of DICOM."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return is_dicom(file)
    source.seek(0)
    return source.read(MARK_PLACE + len(MARK))[MARK_PLACE:] == MARK


def read(source: Path | BinaryIO) -> "Image.Image":
    """Returns the picture of a DICOM file, 8 bits, grey or RGB.

    Raises:
        InputError: The package is missing. For damaged files it raises errors of many kinds.
    """
    from PIL import Image

    try:
        from pydicom import dcmread
    except ImportError:
        where = "Run: pip install 'genlab[dicom]'"
        raise InputError("DICOM files need the package pydicom", "not installed", where) from None
    if not isinstance(source, Path):
        source.seek(0)
    return Image.fromarray(to_pixels(dcmread(source)))


def to_pixels(dataset: Any) -> np.ndarray:
    """Returns the first frame of a `pydicom.Dataset`, uint8 (height, width) or (..., 3)."""
    pixels = dataset.pixel_array
    frame = pixels[0] if int(dataset.get("NumberOfFrames") or 1) > 1 else pixels
    kind = dataset.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        raise ValueError("a palette of colours")
    if not kind.startswith("MONOCHROME"):
        return to_uint8(frame / ((1 << int(dataset.BitsStored)) - 1))
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    values = frame * float(slope) + float(intercept)
    low, high = _ends(dataset, values)
    shares = (values - low) / max(high - low, 1e-9)
    return to_uint8(1 - shares if kind == "MONOCHROME1" else shares)


def _ends(dataset: Any, values: np.ndarray) -> tuple[float, float]:
    """Returns the values of black and white."""
    center, width = (np.ravel(dataset.get(f"Window{name}") or []) for name in ("Center", "Width"))
    if len(center) and len(width):
        return float(center[0]) - float(width[0]) / 2, float(center[0]) + float(width[0]) / 2
    return float(values.min()), float(values.max())
