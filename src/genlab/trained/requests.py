"""Answers requests to a served model; nothing here knows MLflow.

| verb | rows of the table | parameters |
| --- | --- | --- |
| sample | none; or one per image, a column for each field to give | num_images, seed, source |
| reconstruct, encode | one per image, column `images` | |
| decode | one per latent, column `latents` | |
| interpolate | two, column `images` or `latents` | num_steps |

An image is a picture file (PNG, JPEG or another that `imaging.decoding` reads) as bytes, in base64
or as a `data:` address, or nested lists (height, width, channels) of integers from 0 to 255 or
floats in [0, 1]. A label is a number or a class name. Answers hold images as float32 in [0, 1], or
with `format: png` as PNGs in base64.
"""

import base64
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from genlab.imaging import decoding
from genlab.imaging.arrays import as_picture, to_uint8, to_unit
from genlab.runtime.errors import InputError
from genlab.trained import DEFAULTS
from genlab.trained.givens import labels_of

if TYPE_CHECKING:
    import pandas as pd

    from genlab.trained.model import TrainedModel

MAX_IMAGES = 1000
"""Largest number of images in a request or an answer: they take seconds, and megabytes of JSON."""
FORMATS = ("array", "png")
WHERE = "See docs/serving.md"
Answer = np.ndarray | list[str]


def answer(model: "TrainedModel", table: "pd.DataFrame", params: Mapping[str, Any]) -> Answer:
    """Returns images (n, height, width, channels), n PNGs, or for `encode` latents (n, latent_dim).

    Args:
        model: The trained model.
        table: The rows, see the module.
        params: Values that replace those in `DEFAULTS`; null stands for the default.

    Raises:
        InputError: The request is wrong or too large, or the model does not support it.
    """
    values = DEFAULTS | {name: value for name, value in params.items() if value is not None}
    for name, known in (("verb", tuple(VERBS)), ("format", FORMATS)):
        if values[name] not in known:
            raise _wrong(name, f"one of {', '.join(known)}", repr(values[name]))
    result = np.asarray(VERBS[values["verb"]](model, table, values))
    if values["format"] == "png" and result.ndim == 4:
        return [_to_png(image) for image in result]
    return result


def _sample(model: "TrainedModel", table: "pd.DataFrame", values: Mapping[str, Any]) -> np.ndarray:
    source = values["source"] or next(iter(model.sources()), "")
    given = {name: _given(model, table, name) for name in model.generator(source).given}
    number = len(table) if given else int(values["num_images"])
    _check_number("num_images", number, 1)
    seed = int(values["seed"])
    if seed < 0:
        raise _wrong("seed", "at least 0", str(seed))
    return model.sample(number, seed, source, given)


def _given(model: "TrainedModel", table: "pd.DataFrame", name: str) -> np.ndarray:
    field = model.spec[name]
    if field.kind == "image":
        return to_uint8_images(images_of(table, field.shape, name))
    cells = _column(table, name)
    return labels_of(field, cells) if field.kind == "label" else _stacked(cells, name)


def to_uint8_images(images: np.ndarray) -> np.ndarray:
    """Returns images as uint8, converted if they are floats in [0, 1]."""
    return images if images.dtype == np.uint8 else to_uint8(to_unit(images))


def _reconstruct(
    model: "TrainedModel", table: "pd.DataFrame", values: Mapping[str, Any]
) -> np.ndarray:
    return model.reconstruct(images_of(table, model.image_shape))


def _encode(model: "TrainedModel", table: "pd.DataFrame", values: Mapping[str, Any]) -> np.ndarray:
    return model.encode(images_of(table, model.image_shape))


def _decode(model: "TrainedModel", table: "pd.DataFrame", values: Mapping[str, Any]) -> np.ndarray:
    return model.decode(_latents(table))


def _interpolate(
    model: "TrainedModel", table: "pd.DataFrame", values: Mapping[str, Any]
) -> np.ndarray:
    _check_number("num_steps", int(values["num_steps"]), 2)
    ends = _latents(table) if "latents" in table else images_of(table, model.image_shape)
    if len(ends) != 2:
        raise _wrong(
            "interpolate", "asked with two rows, the first and the last", f"{len(ends)} rows"
        )
    first, last = ends
    return model.interpolate(first, last, int(values["num_steps"]))


VERBS: dict[str, Callable[..., np.ndarray]] = {
    "sample": _sample,
    "reconstruct": _reconstruct,
    "encode": _encode,
    "decode": _decode,
    "interpolate": _interpolate,
}


def images_of(
    table: "pd.DataFrame", image_shape: tuple[int, ...], column: str = "images"
) -> np.ndarray:
    """Returns a column of images: uint8 if they are pictures or integers, else float32."""
    cells = _column(table, column)
    if all(isinstance(cell, str | bytes) for cell in cells):
        return np.stack([_from_picture(cell, image_shape, column) for cell in cells])
    images = _stacked(cells, column)
    if images.dtype.kind not in "iu":
        return _to_float32(images)
    if images.min() < 0 or images.max() > 255:
        raise _wrong("grey values", "from 0 to 255", f"{images.min()} to {images.max()}")
    return images.astype(np.uint8)


def _latents(table: "pd.DataFrame") -> np.ndarray:
    latents = _to_float32(_stacked(_column(table, "latents"), "latents"))
    if not np.isfinite(latents).all():
        raise _wrong("latents", "finite numbers", "others")
    return latents


def _to_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # infinities are refused as such
        return values.astype(np.float32)


def _column(table: "pd.DataFrame", name: str) -> list[Any]:
    if name not in table or not len(table):
        raise _wrong(
            "the table", f"rows in the column {name!r}", ", ".join(map(str, table)) or "none"
        )
    _check_number(f"rows in {name!r}", len(table), 1)
    return list(table[name])


def _stacked(cells: list[Any], name: str) -> np.ndarray:
    try:
        values = np.stack([np.asarray(cell) for cell in cells])
    except ValueError:
        raise _wrong(name, "nested lists of one shape", "several shapes") from None
    if values.dtype.kind not in "iuf" or not values.size:
        raise _wrong(
            name,
            "nested lists of numbers, or all pictures in base64",
            f"values of type {values.dtype}",
        )
    return values


def _from_picture(cell: str | bytes, image_shape: tuple[int, ...], column: str) -> np.ndarray:
    """Returns the image of a picture file, uint8 (height, width, channels)."""
    content = cell if isinstance(cell, bytes) else _from_base64(cell, column)
    name = f"a picture in {column!r}"
    return decoding.read_exactly(BytesIO(content), image_shape, name, WHERE)


def _from_base64(text: str, column: str) -> bytes:
    """Returns the bytes of base64, also in lines, or of a `data:` address."""
    head, is_address, code = text.partition(";base64,")
    code = code if is_address and head.startswith("data:") else text
    try:
        return base64.b64decode("".join(code.split()), validate=True)
    except ValueError:  # also a text with letters beyond ASCII
        received = repr(text[:40]) + (" ..." if len(text) > 40 else "")
        raise _wrong(f"a text in {column!r}", "a picture in base64", received) from None


def _to_png(image: np.ndarray) -> str:
    file = BytesIO()
    as_picture(to_uint8(image)).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def _check_number(name: str, number: int, least: int) -> None:
    if not least <= number <= MAX_IMAGES:
        raise _wrong(name, f"from {least} to {MAX_IMAGES} in one request", str(number))


def _wrong(name: str, expected: str, received: str) -> InputError:
    return InputError(f"{name} must be {expected}", received, WHERE)
