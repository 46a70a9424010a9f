"""What every file in `models/` offers, whatever its formulas."""

import itertools
from functools import cache
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    halves,
    random_images,
    tiny_entry,
    tiny_model,
    tiny_settings,
    write_trained_model,
)

from genlab.imaging.arrays import to_float
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import ModelSettings, build_section
from genlab.trained import model as trained_model
from genlab.training.engine import NO_STEP, Engine
from genlab.training.feed import Resident

KINDS = plugins.names("models")
NETWORKS = ("dense", "convolutional")
SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3), (9, 7, 3)]
CASES = list(itertools.product(KINDS, NETWORKS))
NUM_PARAMETERS = {  # by hand, for (8, 8, 1) and (32, 32, 3), latent 3, widths 5 and 4, filters 2 and 3
    ("autoencoder", "dense"): (789, 33877),
    ("autoencoder", "convolutional"): (379, 1949),
    ("vae", "dense"): (789 + 15, 33877 + 15),
    ("vae", "convolutional"): (379 + 15, 1949 + 15),
    ("gan", "dense"): (2 * 425 + 354, 2 * 18473 + 15394),
    ("gan", "convolutional"): (2 * 185 + 146, 2 * 791 + 390),
}


@cache
def model_of(kind: str, network: str, image_shape: tuple[int, int, int]) -> Any:
    return tiny_model(kind, image_shape, network=network)


def test_no_model_is_missing_from_the_table() -> None:
    assert set(NUM_PARAMETERS) == set(CASES)


@pytest.mark.parametrize(("kind", "network"), CASES)
def test_number_of_parameters(kind: str, network: str) -> None:
    models = (model_of(kind, network, shape) for shape in ((8, 8, 1), (32, 32, 3)))
    assert tuple(model.count_params() for model in models) == NUM_PARAMETERS[kind, network]


@pytest.mark.parametrize("image_shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "network"), CASES)
def test_shapes_and_ranges(kind: str, network: str, image_shape: tuple[int, int, int]) -> None:
    model = model_of(kind, network, image_shape)
    images = to_float(random_images(2, image_shape))
    outputs = [model.decode(np.full((2, 3), 50, np.float32))]
    if hasattr(model, "encode"):
        latents = np.asarray(model.encode(images))
        assert (latents.shape, latents.dtype) == ((2, 3), np.float32)
        outputs.append(model.reconstruct(images))
    if hasattr(model, "sample"):
        outputs.append(model.sample(2, seed=0))
    for output in map(np.asarray, outputs):
        assert (output.shape, output.dtype) == ((2, *image_shape), np.float32)
        assert output.min() >= 0
        assert output.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_decodes_and_can_encode_or_sample(kind: str) -> None:
    model = model_of(kind, "dense", (8, 8, 1))
    assert hasattr(model, "encode") == hasattr(model, "reconstruct")
    assert hasattr(model, "sample") == hasattr(model, "draw_latents")
    assert hasattr(model, "encode") or hasattr(model, "sample")


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if hasattr(model_of(kind, "dense", (8, 8, 1)), "sample")]
)
def test_same_seed_same_images(kind: str) -> None:
    model = model_of(kind, "dense", (8, 8, 1))
    np.testing.assert_array_equal(model.sample(5, seed=1), model.sample(5, seed=1))
    assert not np.array_equal(model.draw_latents(5, seed=1), model.draw_latents(5, seed=2))
    latents = model.draw_latents(1000, seed=1)
    assert (latents.shape, latents.dtype) == ((1000, 3), np.float32)
    np.testing.assert_array_equal(model.draw_latents(7, seed=1), latents[:7])


@pytest.mark.parametrize(("kind", "network"), CASES)
def test_saved_and_rebuilt_model_gives_equal_bits(kind: str, network: str, tmp_path: Path) -> None:
    model, images = model_of(kind, network, (9, 7, 3)), to_float(random_images(3, (9, 7, 3)))
    folder = write_trained_model(tmp_path / "model", model, kind, (9, 7, 3))
    keras.utils.set_random_seed(99)
    rebuilt = trained_model.load(folder).model
    assert rebuilt.settings == model.settings
    latents = np.random.default_rng(0).standard_normal((3, 3), np.float32)
    np.testing.assert_array_equal(rebuilt.decode(latents), model.decode(latents))
    if hasattr(model, "encode"):
        np.testing.assert_array_equal(rebuilt.reconstruct(images), model.reconstruct(images))
    for old, new in zip(model.get_weights(), rebuilt.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_refuse_unknown_keys_with_the_nearest(kind: str) -> None:
    chapter = plugins.find("models", kind, "tests")
    with pytest.raises(
        InputError,
        match=r"params.yaml: models.m has no key 'latent_dims' \(nearest: 'latent_dim'\)",
    ):
        build_section(chapter.Settings, tiny_entry(kind, latent_dims=3), "params.yaml: models.m")


@pytest.mark.parametrize("kind", KINDS)
def test_settings_have_no_defaults_and_cannot_be_changed(kind: str) -> None:
    settings = plugins.find("models", kind, "tests").Settings
    assert issubclass(settings, ModelSettings)
    assert all(field.is_required() for field in settings.model_fields.values())
    assert settings.model_config["frozen"]
    entry = tiny_entry(kind)
    del entry["latent_dim"]
    with pytest.raises(
        InputError,
        match=r"tests must have the key 'latent_dim'. Received: none. See tests.latent_dim.",
    ):
        build_section(settings, entry, "tests")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"latent_dim": 0},
            "latent_dim must be at least 1. Received: latent_dim=0. See tests.latent_dim.",
        ),
        (
            {"widths": [4, 0]},
            r"widths\[1\] must be greater than 0. Received: widths\[1\]=0. See tests.widths.1.",
        ),
        (
            {"network": "deep"},
            "network must be 'dense' or 'convolutional'. Received: network='deep'. See tests.network.",
        ),
        ({"beta_2": 1.0}, "beta_2 must be less than 1. Received: beta_2=1.0. See tests.beta_2."),
        (
            {"beta_1": float("nan")},
            "beta_1 must be a finite number. Received: beta_1=nan. See tests.beta_1.",
        ),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_settings_refuse_what_no_model_can_have(
    kind: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        tiny_settings(kind, **changes)


def test_unknown_kind_is_refused_with_the_list() -> None:
    with pytest.raises(
        InputError,
        match=rf"kind must be one of {', '.join(KINDS)} \(nearest: 'vae'\). Received: 'vea'.",
    ):
        plugins.find("models", "vea", "params.yaml: models.m.kind")


def variants() -> list[tuple[str, dict[str, Any]]]:
    """Returns every kind with every value of every setting that is a choice."""
    found = []
    for kind in KINDS:
        own = plugins.find("models", kind, "tests").Settings.model_fields
        for name in sorted(own.keys() - ModelSettings.model_fields.keys()):
            found += [
                (kind, {name: value})
                for value in get_args(own[name].annotation)
                if isinstance(value, str)
            ]
    return found


@pytest.mark.parametrize(("kind", "changes"), variants(), ids=str)
def test_one_step_gives_finite_named_losses_and_moves_the_weights(
    kind: str, changes: dict[str, Any]
) -> None:
    model = tiny_model(kind, **({"r1_every_steps": 1} if kind == "gan" else {}) | changes)
    before = model.get_weights()
    images = tf.constant(to_float(random_images(model.settings.images_per_step)))
    losses = model.update(images, tf.constant((1, 2)), model.make_optimizers())
    assert set(losses) == set(model.loss_names)
    assert all(np.isfinite(value) and np.shape(value) == () for value in losses.values())
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if hasattr(model_of(kind, "dense", (8, 8, 1)), "compute_losses")],
)
def test_loss_falls_on_32_fixed_images(kind: str) -> None:
    pictures, _ = halves(32, (8, 8, 1), seed=0)
    model = tiny_model(
        kind, network="dense", widths=[16, 16], batch_size=32, steps=150, learning_rate=0.01
    )
    first = float(model.compute_losses(to_float(pictures), (0, 0))["loss"])
    engine = Engine(model, model.make_optimizers(), Resident(pictures, 0), seed=0)
    _, first_bad = engine.run(0, 150, {})
    assert int(first_bad) == NO_STEP
    assert float(model.compute_losses(to_float(pictures), (0, 0))["loss"]) < 0.8 * first
