"""DICOM: how values become grey, for data sets with the attributes of pydicom's."""

import io
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genlab.imaging import decoding, dicom
from genlab.runtime.errors import InputError

VALUES = np.array([[0, 100], [200, 400]], np.uint16)


class Dataset(SimpleNamespace):
    """The attributes of a file, as pydicom offers them: also by `get`."""

    def get(self, name: str, other: Any = None) -> Any:
        return getattr(self, name, other)


def dataset(
    kind: str = "MONOCHROME2", values: np.ndarray = VALUES, bits: int = 12, **others: Any
) -> Dataset:
    return Dataset(PhotometricInterpretation=kind, BitsStored=bits, pixel_array=values, **others)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (dataset(), [0, 64, 128, 255]),
        (dataset("MONOCHROME1"), [255, 191, 128, 0]),
        (dataset(WindowCenter=150, WindowWidth=100), [0, 0, 255, 255]),
        (dataset(WindowCenter=[200, 7], WindowWidth=[400, 9]), [0, 64, 128, 255]),
        (
            dataset(RescaleSlope="2", RescaleIntercept="-100", WindowCenter=100, WindowWidth=400),
            [0, 128, 255, 255],
        ),
        (dataset(values=np.stack([VALUES, VALUES * 0]), NumberOfFrames=2), [0, 64, 128, 255]),
        (dataset(values=VALUES * 0), [0, 0, 0, 0]),
    ],
)
def test_grey_values(content: Dataset, expected: list[int]) -> None:
    assert dicom.to_pixels(content).ravel().tolist() == expected


def test_colours() -> None:
    colours = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    pixels = dicom.to_pixels(dataset("RGB", colours, 8))
    np.testing.assert_array_equal(pixels, colours)
    with pytest.raises(ValueError, match="palette"):
        dicom.to_pixels(dataset("PALETTE COLOR"))


def test_package_is_asked_for_where_a_file_has_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    file = io.BytesIO(b"\0" * 128 + b"DICM" + b"\0" * 9)
    with pytest.raises(InputError) as caught:
        decoding.read_image(file, 1, None, "a.dcm")
    assert caught.value.args == (
        "DICOM files need the package pydicom",
        "not installed",
        "Run: pip install 'genlab[dicom]'",
    )
