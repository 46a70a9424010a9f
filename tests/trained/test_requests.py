"""What can be asked of a served model: verbs, columns, formats; what is wrong gets one line."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures_models import random_images
from PIL import Image

from genlab.imaging.arrays import to_uint8
from genlab.numerics import interpolation
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel
from genlab.trained.requests import MAX_IMAGES, answer

SHAPE = (8, 6, 3)
IMAGES = random_images(3, SHAPE)
FLOATS = (IMAGES / 255).astype(np.float32)
NOTHING = pd.DataFrame()


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, TrainedModel]:
    return {kind: trained_model.load(folder) for kind, folder in folders.items()}


def rows(values: Any, column: str = "images") -> pd.DataFrame:
    cells = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return pd.DataFrame({column: cells})


def to_png(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def from_png(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


PNGS = [to_png(image) for image in IMAGES]


def test_samples_are_those_of_the_seed(models: dict[str, TrainedModel]) -> None:
    vae = models["vae"]
    samples = answer(vae, NOTHING, {"verb": "sample", "num_images": 3, "seed": 5})
    np.testing.assert_array_equal(samples, vae.sample(3, 5))
    pngs = answer(vae, NOTHING, {"num_images": 2, "seed": 1, "format": "png"})
    np.testing.assert_array_equal([from_png(text) for text in pngs], to_uint8(vae.sample(2, 1)))
    default = answer(vae, NOTHING, {"num_images": None, "seed": None, "verb": None})
    np.testing.assert_array_equal(default, vae.sample(64, 0))
    fitted = answer(vae, NOTHING, {"num_images": 2, "source": "fitted"})
    np.testing.assert_array_equal(fitted, vae.sample(2, 0, "fitted"))


@pytest.mark.parametrize("labels", [[1, 0, 1], ["lower", "upper", "1"]])
def test_samples_of_classes_have_a_row_each(
    models: dict[str, TrainedModel], labels: list[Any]
) -> None:
    samples = answer(models["conditional"], rows(labels, "labels"), {"seed": 2})
    expected = models["conditional"].sample(3, 2, labels=np.array([1, 0, 1]))
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize("inputs", [IMAGES, FLOATS, PNGS], ids=["greys", "floats", "pngs"])
def test_translations_have_a_row_each(models: dict[str, TrainedModel], inputs: Any) -> None:
    images = answer(models["translator"], rows(inputs, "inputs"), {})
    np.testing.assert_array_equal(images, models["translator"].sample(3, inputs=IMAGES))


@pytest.mark.parametrize("images", [IMAGES, FLOATS, PNGS], ids=["greys", "floats", "pngs"])
def test_images_go_in_as_grey_values_floats_or_pngs(
    models: dict[str, TrainedModel], images: Any
) -> None:
    rebuilt = answer(models["vae"], rows(images), {"verb": "reconstruct"})
    np.testing.assert_allclose(rebuilt, models["vae"].reconstruct(FLOATS), atol=1e-6)


def test_decoded_code_is_the_reconstruction(models: dict[str, TrainedModel]) -> None:
    latents = answer(models["vae"], rows(IMAGES), {"verb": "encode", "format": "png"})
    decoded = answer(models["vae"], rows(latents, "latents"), {"verb": "decode"})
    np.testing.assert_allclose(decoded, models["vae"].reconstruct(FLOATS), atol=1e-6)


def test_path_between_two_images_and_two_latents(models: dict[str, TrainedModel]) -> None:
    latents = models["vae"].encode(FLOATS[:2])
    expected = models["vae"].decode(interpolation.spherical(*latents, 5))
    for table in (rows(FLOATS[:2]), rows(latents, "latents")):
        path = answer(models["vae"], table, {"verb": "interpolate", "num_steps": 5})
        np.testing.assert_allclose(path, expected, atol=1e-6)


CUT_GIF = base64.b64encode(b"GIF89a").decode()
ENCODE, DECODE, INTERPOLATE = ({"verb": verb} for verb in ("encode", "decode", "interpolate"))


@pytest.mark.parametrize(
    ("kind", "table", "params", "line"),
    [
        (
            "vae",
            NOTHING,
            {"verb": "fly"},
            "verb must be one of sample, reconstruct, encode, decode",
        ),
        (
            "vae",
            NOTHING,
            {"num_images": MAX_IMAGES + 1},
            f"num_images must be from 1 to {MAX_IMAGES}",
        ),
        ("vae", NOTHING, {"num_images": 0}, "num_images must be from 1"),
        ("vae", NOTHING, {"seed": -1}, "seed must be at least 0. Received: -1"),
        ("vae", NOTHING, {"format": "jpeg"}, "format must be one of array, png"),
        ("gan", NOTHING, {"source": "fitted"}, "source must be one of prior for gan"),
        ("gan", rows(IMAGES), ENCODE, "encode must be asked of a model with an encoder"),
        ("vae", NOTHING, ENCODE, "must be rows in the column 'images'. Received: none"),
        ("vae", rows(["a!"]), ENCODE, "a text in 'images' must be a picture in base64. Received"),
        ("vae", rows(["ä" * 50]), ENCODE, "must be a picture in base64. Received: 'ää"),
        ("vae", rows(["data:image/png,%89PNG"]), ENCODE, "must be a picture in base64"),
        ("vae", rows(["https://localhost/a.png"]), ENCODE, "must be a picture in base64"),
        ("vae", rows([CUT_GIF]), ENCODE, "a picture in 'images' must be a readable picture (PNG"),
        ("vae", rows([to_png(np.zeros((3, 5), np.uint8))]), ENCODE, "6x8 pixels. Received: 5x3"),
        ("vae", rows([PNGS[0][:-40]]), ENCODE, "must be a readable picture (PNG, JPEG"),
        ("vae", rows([PNGS[0], 3]), ENCODE, "nested lists of numbers, or all pictures in base64"),
        ("vae", rows([None]), ENCODE, "nested lists of numbers, or all pictures in base64"),
        ("vae", rows(IMAGES[:, :5]), ENCODE, "images must have the shape (n, 8, 6, 3)"),
        ("vae", rows(IMAGES * 1.0), ENCODE, "images must be uint8, or floats in [0, 1]"),
        ("vae", rows(IMAGES.astype(int) + 1), ENCODE, "grey values must be from 0 to 255"),
        ("vae", rows([[1, [2]]]), ENCODE, "images must be nested lists of one shape"),
        ("vae", rows([[[["a"]]]]), ENCODE, "images must be nested lists of numbers"),
        ("vae", rows([[1, 2]], "latents"), DECODE, "latents must have the shape (n, 3)"),
        ("vae", rows([[np.nan, 0, 0]], "latents"), DECODE, "latents must be finite numbers"),
        ("vae", rows([[1e300, 0, 0]], "latents"), DECODE, "latents must be finite numbers"),
        ("vae", rows(IMAGES * 1e300), ENCODE, "images must be uint8, or floats in [0, 1]"),
        ("vae", rows([[0, 0, 0]], "latents"), INTERPOLATE, "two rows, the first and the last"),
        ("vae", rows([[0] * 3] * (MAX_IMAGES + 1), "latents"), DECODE, f"from 1 to {MAX_IMAGES}"),
        ("conditional", NOTHING, {}, "must be rows in the column 'labels'. Received: none"),
        ("conditional", rows(["uper"], "labels"), {}, "nearest: 'upper'"),
        ("conditional", rows([2], "labels"), {}, "labels must be among upper, lower. Received: 2"),
        ("translator", rows(IMAGES), {}, "must be rows in the column 'inputs'. Received: images"),
        (
            "translator",
            rows(IMAGES[:, :5], "inputs"),
            {},
            "inputs must have the shape (3, 8, 6, 3)",
        ),
    ],
)
def test_wrong_request_is_refused_with_one_line(
    models: dict[str, TrainedModel], kind: str, table: Any, params: dict[str, Any], line: str
) -> None:
    with pytest.raises(InputError) as caught:
        answer(models[kind], table, params)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_inputs_beyond_the_range_are_refused(models: dict[str, TrainedModel]) -> None:
    with pytest.raises(InputError, match="images must be uint8, or floats in") as caught:
        answer(models["translator"], rows((IMAGES * 1.0).tolist(), "inputs"), {})
    assert "\n" not in str(caught.value)
