"""The one decoder: every kind of picture, from a path or from bytes; what is damaged is named."""

import io
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import ROOT
from picture_kinds import COLOUR, FLAT, GREY, KINDS, chunk, exif, saved, turned
from PIL import Image

from genlab.imaging import decoding
from genlab.imaging.decoding import read_exactly, read_image, read_size
from genlab.runtime.errors import InputError

SHAPE = (8, 6, 3)
BROKEN = "a.png must be a readable picture (PNG, JPEG, WebP, BMP, TIFF or GIF)"
OWN_FILES = {
    "imaging/pictures.py",
    "pages/__init__.py",
    "report/pictures.py",
    "tracking/writer.py",
}
"""What opens pictures that the project wrote itself."""


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_picture(tmp_path: Path, name: str) -> None:
    kind, path = KINDS[name], tmp_path / "a.png"
    path.write_bytes(kind.content)
    is_grey = kind.pixels.ndim == 2
    expected = np.dstack([kind.pixels] * 3) if is_grey else kind.pixels
    image = read_image(path, 3, None)
    np.testing.assert_allclose(image.astype(int), expected, atol=kind.tolerance)
    assert read_size(path) == SHAPE[:2]
    assert not is_grey or decoding.is_grey(path)
    for source in (path, io.BytesIO(kind.content)):
        np.testing.assert_array_equal(read_exactly(source, SHAPE, "a.png", "See it"), image)


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].pixels.ndim == 2])
def test_grey_is_grey(name: str) -> None:
    image = read_image(io.BytesIO(KINDS[name].content), 1, None, "a.png")
    np.testing.assert_array_equal(image[..., 0], KINDS[name].pixels)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_no_damage_in_exif_harms_a_picture(file_format: str, seed: int) -> None:
    """480 blocks in all; some still have a readable orientation."""
    generator = np.random.default_rng(seed)
    block = exif(turned(3), (0x011A, 5, 1, b"\0\0\0\x08"), (0x8769, 4, 1, b"\0\0\0\x08"))
    for _ in range(80):
        values = np.frombuffer(block, np.uint8).copy()
        places = generator.integers(6, len(values), 2)
        values[places] = generator.integers(0, 256, 2)
        content = saved(FLAT, file_format, exif=values.tobytes())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert sorted(read_image(io.BytesIO(content), 3, None, "a").shape) == [3, 6, 8]


def large_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    line = zlib.compress(b"\0" * (1 + -(-width // 8)) * height, 9)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", line), chunk(b"IEND", b"")
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts])


def refusal(content: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read_image(io.BytesIO(content), 3, (8, 6), "a.png")
    assert "\n" not in str(caught.value)
    return caught.value


def test_large_pictures_are_read_without_a_warning_and_too_large_ones_are_not() -> None:
    error = refusal(large_png(20_000, 20_000))
    assert error.expected == "a.png must be a picture of at most 178,956,970 pixels"
    assert error.received == "Image size (400000000 pixels)"
    assert 2 * (Image.MAX_IMAGE_PIXELS or 0) == decoding.MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_size(io.BytesIO(saved_header(10_000, 10_000)), "a.png") == (10_000, 10_000)


def saved_header(width: int, height: int) -> bytes:
    """Returns a BMP of this size, of which only the header is read."""
    content = bytearray(saved(FLAT, "BMP"))
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"", "not an image"),
        (b"this is text", "not an image"),
        (saved(COLOUR, "PNG")[:60], ""),
        (saved(FLAT, "JPEG")[:-9], "image file is truncated"),
        (saved(GREY.astype(np.float32), "TIFF"), "floating-point values"),
        (saved(GREY.astype(np.int32) - 1, "TIFF"), "values from -1 to 234, not of 16 bits"),
    ],
)
def test_damaged_pictures_are_named(content: bytes, received: str) -> None:
    error = refusal(content)
    assert error.expected == BROKEN
    assert error.received.startswith(received)


def test_any_cut_picture_is_one_line_or_an_image() -> None:
    lines = set()
    for kind in KINDS.values():
        for end in range(0, len(kind.content), 7):
            try:
                read_image(io.BytesIO(kind.content[:end]), 3, None, "a.png")
            except InputError as error:
                lines.add(str(error))
    assert "not an image" in " ".join(lines)
    assert not [line for line in lines if "\n" in line or not line.startswith(BROKEN)]


def test_another_size_is_refused() -> None:
    turned_six = KINDS["JPEG, EXIF 6"].content
    with pytest.raises(InputError) as caught:
        read_exactly(io.BytesIO(turned_six), (6, 8, 3), "a.jpg", "See it")
    assert caught.value.args == ("a.jpg must be 8x6 pixels", "6x8", "See it")


def test_no_other_file_opens_pictures_of_strangers() -> None:
    source = ROOT / "src" / "genlab"
    opening = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if re.search(r"\bImage\.open\(", path.read_text())
    }
    assert opening == OWN_FILES | {"imaging/decoding.py"}
