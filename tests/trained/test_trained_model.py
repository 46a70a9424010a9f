"""A trained model behind one call: in batches, with one line for what it cannot do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import random_images

from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel

SHAPE = (8, 6, 3)
Load = Callable[[str], TrainedModel]


@pytest.fixture
def load(folders: dict[str, Path]) -> Load:
    return lambda kind: trained_model.load(folders[kind])


def refusal(function: Any, *values: Any, **named: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        function(*values, **named)
    assert "\n" not in str(caught.value)
    return caught.value


def test_batches_come_back_in_their_order_and_number(load: Load) -> None:
    model = load("vae")
    latents = np.random.default_rng(0).standard_normal((250, 3), np.float32)
    np.testing.assert_allclose(model.decode(latents), model.model.decode(latents), atol=1e-6)
    floats = arrays.to_float(random_images(201, SHAPE))
    encoded = model.model.encode(floats)
    np.testing.assert_allclose(model.encode(floats), encoded, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(floats), model.model.decode(encoded), atol=1e-6)


def test_model_says_what_it_can_do(load: Load) -> None:
    verbs = "sample, encode, reconstruct, decode, interpolate"
    for kind, text in {
        "autoencoder": f"latent_dim 3, sources fitted; {verbs}",
        "gan": "latent_dim 3, sources prior; sample, decode, interpolate",
        "conditional": "latent_dim 3, sources prior; sample",
        "flow": "sources prior; sample",
        "translator": "sources translation; sample",
    }.items():
        assert repr(load(kind)) == f"<{kind} (kind {kind}): images (8, 6, 3), {text}>"


@pytest.mark.parametrize(
    ("kind", "verb", "values", "expected"),
    [
        ("autoencoder", "sample", (3, 0, "prior"), "source must be one of fitted for autoencoder"),
        (
            "gan",
            "encode",
            (np.zeros((1, *SHAPE)),),
            "encode must be asked of a model with an encoder",
        ),
        ("gan", "reconstruct", (np.zeros((1, *SHAPE)),), "reconstruct must be asked of a model"),
        (
            "flow",
            "decode",
            (np.zeros((1, 3)),),
            "decode must be asked of a model with latent vectors",
        ),
        ("conditional", "sample", (3,), "the model must be given labels"),
        ("vae", "encode", (np.zeros(SHAPE),), "images must have the shape (n, 8, 6, 3)"),
        ("vae", "encode", (np.zeros((1, 8, 6, 1)),), "images must have the shape (n, 8, 6, 3)"),
        ("vae", "decode", (np.zeros(3),), "latents must have the shape (n, 3)"),
        ("vae", "decode", (np.zeros((2, 4)),), "latents must have the shape (n, 3)"),
        (
            "vae",
            "interpolate",
            (np.zeros(4), np.zeros(4)),
            "first and last must be images (8, 6, 3)",
        ),
        ("vae", "interpolate", (np.zeros(3), np.zeros(3), 1), "num_steps must be at least 2"),
        ("gan", "interpolate", random_images(2, SHAPE), "encode must be asked of a model with an"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    load: Load, kind: str, verb: str, values: Any, expected: str
) -> None:
    assert refusal(getattr(load(kind), verb), *values).expected.startswith(expected)


def test_images_are_taken_as_uint8_or_floats(load: Load) -> None:
    model, pictures = load("vae"), random_images(4, SHAPE)
    for verb in (model.encode, model.reconstruct):
        np.testing.assert_array_equal(verb(pictures), verb(pictures.astype(np.float64) / 255))
    for first, last, received in (
        (0, 255, "float32 from 0 to 255"),
        (-1, 1, "float32 from -1 to 1"),
        (np.nan, 1, "float32 from nan to nan"),
    ):
        values = np.full((1, *SHAPE), last, np.float32)
        values[0, 0, 0, 0] = first
        assert refusal(model.encode, values).received == received
    assert "int64" in refusal(model.encode, np.zeros((1, *SHAPE), np.int64)).received


@pytest.mark.parametrize(
    ("kind", "prior", "middle"),
    [
        ("vae", "normal", [2**0.5, 2**0.5, 0.0]),
        ("gan", "normal", [2**0.5, 2**0.5, 0.0]),
        ("gan", "uniform", [1.0, 1.0, 0.0]),
        ("autoencoder", None, [1.0, 1.0, 0.0]),
    ],
)
def test_interpolation_keeps_the_length_under_a_normal_prior_alone(
    load: Load, kind: str, prior: str | None, middle: list[float]
) -> None:
    model, first, last = load(kind), np.array([2.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    if prior:
        model.model.prior = prior
    expected = model.decode(np.array([first, middle, last]))
    np.testing.assert_allclose(model.interpolate(first, last, 3), expected, atol=1e-6)


def test_interpolation_between_images_begins_and_ends_with_their_reconstructions(
    load: Load,
) -> None:
    model, pair = load("autoencoder"), random_images(2, SHAPE)
    path = model.interpolate(*pair, num_steps=5)
    np.testing.assert_allclose(path[[0, 4]], model.reconstruct(pair), atol=1e-6)


def test_what_a_training_left_is_read(load: Load, tmp_path: Path) -> None:
    model = load("vae")
    model.folder = tmp_path
    (tmp_path / "history.csv").write_text("step,train/loss,validation/loss\n5,3.5,\n10,2.5,4\n")
    history = {name: [part.tolist() for part in pair] for name, pair in model.history().items()}
    assert history == {"train/loss": [[5, 10], [3.5, 2.5]], "validation/loss": [[10], [4.0]]}
    for step, grey in ((1, 10), (30, 20)):
        path = tmp_path / "progress" / f"samples_{step:06d}.png"
        arrays.write_png(path, np.full((4, 4, 1), grey, np.uint8))
    steps, grids = model.progress()
    assert (steps, grids[:, 0, 0, 0].tolist()) == ([1, 30], [10, 20])
    assert refusal(model.progress, "rebuilt").expected == "key must be one of samples"


def test_folder_without_a_whole_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    vae = tmp_path / "vae"
    assert refusal(trained_model.load, vae).received == "no settings.json there"
    assert "nearest: 'vae'" in refusal(trained_model.load, folders["vae"].parent / "vea").where
    vae.mkdir()
    shutil.copy(folders["vae"] / "settings.json", vae)
    assert refusal(trained_model.load, vae).received == "no model.weights.h5 there"
    (vae / "model.weights.h5").write_bytes(b"half")
    assert refusal(trained_model.load, vae).expected == f"{vae} must hold a whole trained model"


def test_model_of_before_the_contract_is_loaded(folders: dict[str, Path], tmp_path: Path) -> None:
    """Version 0.1 wrote neither fields nor what a model takes nor binarisation."""
    folder = shutil.copytree(folders["vae"], tmp_path / "vae")
    settings = json.loads((folder / "settings.json").read_text())
    for name in ("fields", "takes"):
        del settings[name]
    (folder / "settings.json").write_text(json.dumps(settings))
    model, pictures = trained_model.load(folder), random_images(2, SHAPE)
    assert model.takes == ("images",)
    assert model.as_seen(pictures) is pictures
    np.testing.assert_array_equal(model.sample(2), trained_model.load(folders["vae"]).sample(2))


def test_float_arithmetic_just_beyond_the_range_is_clipped(load: Load) -> None:
    model, floats = load("vae"), arrays.to_float(random_images(3, SHAPE))
    for scale, shift in ((1.0000001, 0), (1, -1e-9)):
        near = floats.astype(float) * scale + shift
        np.testing.assert_allclose(model.encode(near), model.encode(floats), atol=1e-5)
    error = refusal(model.encode, floats + 0.01)
    assert error.expected == "images must be uint8, or floats in [0, 1]"


def test_nothing_and_no_whole_numbers_are_refused(load: Load) -> None:
    model = load("vae")
    error = refusal(model.encode, np.zeros((0, *SHAPE), np.uint8))
    assert (error.expected, error.received) == ("encode must be asked with a row or more", "none")
    for wrong in (0, -1, 2.5, "3"):
        error = refusal(model.sample, wrong)
        assert error.expected == "num_images must be a whole number, at least 1"
        assert error.received == repr(wrong)
    assert refusal(model.sample, 1, seed=-1).expected.startswith("seed must be")
    assert len(model.sample(np.int64(1), seed=2**70)) == 1
