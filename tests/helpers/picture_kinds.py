"""One picture of each kind that strangers bring, 8 x 6 pixels, and the pixels that it must give."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 8, 6
GREY = (np.arange(HEIGHT * WIDTH) * 5).reshape(HEIGHT, WIDTH).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
FLAT = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8)
"""What JPEG keeps, within rounding."""
PALETTE = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 20, 30)], np.uint8)
ORIENTATION, X_RESOLUTION = 0x0112, 0x011A
SHORT, RATIONAL, UNDEFINED = 3, 5, 7  # types of EXIF
TURNED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, -1),
}
"""By EXIF orientation how an upright picture lies in the file."""


class Kind(NamedTuple):
    """A picture file, and its pixels, uint8 (8, 6) or (8, 6, 3), in colour or grey."""

    content: bytes
    pixels: np.ndarray
    tolerance: int = 0


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(rows: np.ndarray, bits: int, colour_type: int, *chunks: bytes) -> bytes:
    """Returns a PNG of rows of bytes, which no encoder at hand would write."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(lines))]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts, chunk(b"IEND", b"")])


def deep(*channels: np.ndarray) -> np.ndarray:
    """Returns 8-bit channels as rows of 16-bit samples."""
    return (np.stack(channels, axis=-1).astype(">u2") * 257).astype(">u2").reshape(HEIGHT, -1)


def packed(samples: np.ndarray, bits: int) -> np.ndarray:
    """Returns samples of few bits as rows of bytes."""
    digits = np.unpackbits(samples[..., np.newaxis], axis=-1)[..., 8 - bits :]
    return np.packbits(digits.reshape(HEIGHT, -1), axis=-1)


def colour_key(*samples: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(samples)}H", *samples))


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Returns a block of tags: number, type, count and value, or its place, in four bytes."""
    tags = b"".join(struct.pack(">HHI", *entry[:3]) + entry[3] for entry in entries)
    head = b"MM\0*" + struct.pack(">IH", 8, len(entries))
    return b"Exif\0\0" + head + tags + b"\0\0\0\0"


def turned(orientation: int) -> tuple[int, int, int, bytes]:
    return ORIENTATION, SHORT, 1, struct.pack(">HH", orientation, 0)


def saved(pixels: np.ndarray, file_format: str, mode: str | None = None, **options: Any) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, file_format, **options)
    return file.getvalue()


def with_palette(file_format: str, **options: Any) -> bytes:
    picture = Image.fromarray(GREY // 64)
    picture.putpalette(PALETTE.tobytes())
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def white_where(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    result = pixels.copy()
    result[mask] = 255
    return result


def frames(file_format: str) -> bytes:
    """Returns an animation whose first frame is FLAT."""
    black = Image.new("RGB", (WIDTH, HEIGHT))
    lossless = {"lossless": True} if file_format == "WEBP" else {}
    return saved(FLAT, file_format, save_all=True, append_images=[black], **lossless)


def damaged_exif() -> dict[str, Kind]:
    """Returns pictures to be turned, with other tags that cannot be read or written back."""
    block = exif(turned(6))
    blocks = {
        "text for a number": exif(turned(6), (X_RESOLUTION, UNDEFINED, 4, b"abcd")),
        "a value outside of the block": exif(turned(6), (X_RESOLUTION, RATIONAL, 1, b"\xff" * 4)),
        "fewer tags than it says": block[:14] + b"\0\x09" + block[16:],
    }
    kinds = {
        f"JPEG, EXIF with {name}": Kind(saved(TURNED[6](FLAT), "JPEG", exif=block), FLAT, 3)
        for name, block in blocks.items()
    }
    return kinds | {"JPEG, no EXIF at all": Kind(saved(FLAT, "JPEG", exif=b"Exif\0\0MM*"), FLAT, 3)}


def pngs() -> dict[str, Kind]:
    alpha = np.where(GREY < 60, 0, 255).astype(np.uint8)
    clear = alpha == 0
    key = (GREY == 100) | (GREY == 0)
    fours, twos = GREY // 17, GREY // 64
    full = np.full_like(GREY, 255)
    return {
        "PNG, grey": Kind(saved(GREY, "PNG"), GREY),
        "PNG, 1 bit": Kind(saved(GREY > 99, "PNG"), (GREY > 99) * full),
        "PNG, grey and alpha": Kind(
            saved(np.dstack([GREY, alpha]), "PNG"), white_where(clear, GREY)
        ),
        "PNG, colour": Kind(saved(COLOUR, "PNG"), COLOUR),
        "PNG, colour and alpha": Kind(
            saved(np.dstack([COLOUR, alpha]), "PNG"), white_where(clear, COLOUR)
        ),
        "PNG, palette": Kind(with_palette("PNG"), PALETTE[GREY // 64]),
        "PNG, palette, a clear colour": Kind(
            with_palette("PNG", transparency=2), white_where(GREY // 64 == 2, PALETTE[GREY // 64])
        ),
        "PNG, 16 bits": Kind(png(deep(GREY), 16, 0), GREY),
        "PNG, 16 bits, a clear grey": Kind(
            png(deep(GREY), 16, 0, colour_key(100 * 257)), white_where(GREY == 100, GREY)
        ),
        "PNG, 16 bits and alpha": Kind(png(deep(GREY, alpha), 16, 4), white_where(clear, GREY)),
        "PNG, 16 bits, colour": Kind(png(deep(*COLOUR.T.swapaxes(1, 2)), 16, 2), COLOUR),
        "PNG, 16 bits, a clear colour": Kind(
            png(deep(GREY, GREY, GREY), 16, 2, colour_key(*[100 * 257] * 3)),
            white_where(GREY == 100, np.dstack([GREY] * 3)),
        ),
        "PNG, 2 bits, a clear grey": Kind(
            png(packed(twos, 2), 2, 0, colour_key(1)), white_where(twos == 1, twos * 85)
        ),
        "PNG, 4 bits, a clear grey": Kind(
            png(packed(fours, 4), 4, 0, colour_key(3)), white_where(fours == 3, fours * 17)
        ),
        "PNG, 8 bits, a clear grey": Kind(
            png(GREY, 8, 0, colour_key(100)), white_where(key & (GREY == 100), GREY)
        ),
    } | {
        f"PNG, EXIF {number}": Kind(saved(turn(COLOUR), "PNG", exif=exif(turned(number))), COLOUR)
        for number, turn in TURNED.items()
    }


def others() -> dict[str, Kind]:
    inks = Image.fromarray(FLAT).convert("CMYK")
    file = io.BytesIO()
    inks.save(file, "JPEG")
    six = TURNED[6](COLOUR)
    alpha = np.where(GREY < 60, 0, 255).astype(np.uint8)
    clear = white_where(alpha == 0, COLOUR)
    with_alpha = np.dstack([COLOUR, alpha])
    return {
        "JPEG": Kind(saved(FLAT, "JPEG"), FLAT, 3),
        "JPEG, progressive": Kind(saved(FLAT, "JPEG", progressive=True), FLAT, 3),
        "JPEG, four inks": Kind(file.getvalue(), FLAT, 3),
        "JPEG, EXIF 6": Kind(saved(TURNED[6](FLAT), "JPEG", exif=exif(turned(6))), FLAT, 3),
        "WebP": Kind(saved(COLOUR, "WEBP", lossless=True), COLOUR),
        "WebP and alpha": Kind(saved(with_alpha, "WEBP", lossless=True), clear),
        "WebP, EXIF 6": Kind(saved(six, "WEBP", lossless=True, exif=exif(turned(6))), COLOUR),
        "BMP": Kind(saved(COLOUR, "BMP"), COLOUR),
        "TIFF": Kind(saved(COLOUR, "TIFF"), COLOUR),
        "TIFF, 16 bits": Kind(saved(GREY.astype(np.uint16) * 257, "TIFF"), GREY),
        "TIFF, turned": Kind(saved(six, "TIFF", tiffinfo={ORIENTATION: 6}), COLOUR),
        "GIF": Kind(with_palette("GIF"), PALETTE[GREY // 64]),
        "PNG, animated": Kind(frames("PNG"), FLAT),
        "GIF, animated": Kind(frames("GIF"), FLAT),
        "WebP, animated": Kind(frames("WEBP"), FLAT),
    }


KINDS: dict[str, Kind] = pngs() | others() | damaged_exif()
