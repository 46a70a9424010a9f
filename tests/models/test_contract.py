"""What every chapter offers, whatever its formulas: one suite per capability.

Beside the chapters of the package they run over the four of `tests/helpers/chapters`: given labels,
noise of the image's shape, given pictures, growing.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    CHAPTER_TESTS,
    assert_sums_have_two_terms,
    batch_of,
    chapter_of,
    chapter_tests,
    fixture_chapters,
    fixture_kinds,
    floats_of,
    halves,
    one_update,
    random_fields,
    takes_of_model,
    tiny_engine,
    tiny_entry,
    tiny_model,
    tiny_settings,
    tiny_spec,
    write_trained_model,
)

from genlab.contract import capabilities
from genlab.contract.batches import as_batch
from genlab.imaging.arrays import to_float
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import ModelSettings, build_section
from genlab.trained import model as trained_model
from genlab.training.engine import NO_STEP
from genlab.training.job import phases_of

KINDS = plugins.names("models")
TESTED = [kind for kind in KINDS if (CHAPTER_TESTS / f"test_{kind}.py").is_file()]
ALL = [*TESTED, *fixture_kinds()]
SHAPES = [(8, 8, 1), (28, 28, 1), (64, 64, 3), (9, 7, 3)]
COUNTED = [(8, 8, 1), (32, 32, 3)]
CASES = [
    (kind, changes) for kind in TESTED for changes, _ in chapter_tests(kind).NUM_PARAMETERS
] + [(kind, {}) for kind in fixture_kinds()]
SEED = (3, 5)


@pytest.fixture(autouse=True)
def _chapters() -> Iterator[None]:
    with fixture_chapters():
        yield


@cache
def _model(kind: str, changes: tuple[tuple[str, Any], ...], shape: tuple[int, int, int]) -> Any:
    with fixture_chapters():
        return tiny_model(kind, shape, **dict(changes))


def model_of(kind: str, changes: dict[str, Any], shape: tuple[int, int, int] = (8, 8, 1)) -> Any:
    return _model(kind, tuple(changes.items()), shape)


def capable(protocol: type) -> Any:
    """Parametrizes a test by the cases whose model has a capability."""
    cases = [case for case in CASES if isinstance(model_of(*case), protocol)]
    return pytest.mark.parametrize(("kind", "changes"), cases, ids=str)


def noise_and_given(
    model: Any, num_images: int, shape: tuple[int, int, int] = (8, 8, 1)
) -> tuple[tf.Tensor, dict[str, Any]]:
    """Returns noise, and what the model is given."""
    noise = np.random.default_rng(0).standard_normal((num_images, *model.noise_shape), np.float32)
    fields = random_fields(num_images, shape)
    given = as_batch({name: fields[name] for name in model.given}, tiny_spec(shape))
    return tf.constant(noise), given


# The chapter


@pytest.mark.parametrize("kind", KINDS)
def test_every_chapter_has_tests_of_its_own(kind: str) -> None:
    facts = vars(chapter_tests(kind))
    assert {"TINY", "NUM_PARAMETERS"} <= facts.keys(), f"test_{kind}.py must have both"
    assert any(name.startswith("test_") for name in facts), f"test_{kind}.py tests nothing"


def test_unknown_kind_is_refused_with_the_list() -> None:
    with pytest.raises(InputError) as caught:
        plugins.find("models", "vea", "params.yaml: models.m.kind")
    assert ", ".join(sorted([*KINDS, *fixture_kinds()])) in caught.value.expected
    assert "nearest: 'vae'" in caught.value.expected


@pytest.mark.parametrize("kind", TESTED)
def test_settings_have_no_defaults_and_refuse_unknown_keys(kind: str) -> None:
    settings = plugins.find("models", kind, "tests").Settings
    assert issubclass(settings, ModelSettings)
    assert all(field.is_required() for field in settings.model_fields.values())
    assert settings.model_config["frozen"]
    entry = tiny_entry(kind)
    (first, *_) = settings.model_fields.keys() - ModelSettings.model_fields.keys()
    with pytest.raises(InputError) as caught:
        build_section(settings, entry | {f"{first}s": 3}, "params.yaml: models.m")
    assert caught.value.received == repr(f"{first}s")
    assert f"(nearest: {first!r})" in caught.value.expected
    del entry[first]
    with pytest.raises(InputError) as caught:
        build_section(settings, entry, "tests")
    assert caught.value.expected == f"tests must have the key {first!r}"


WRONG = {
    "latent_dim": 0,
    "widths": [4, 0],
    "network": "deep",
    "beta_1": float("nan"),
    "beta_2": 1.0,
    "batch_size": 0,
    "warmup_steps": 12,
    "gradient_clip_norm": 0.0,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", TESTED)
def test_settings_refuse_what_no_model_can_have(kind: str, name: str) -> None:
    if name in tiny_entry(kind):
        with pytest.raises(InputError, match=f"^{name}"):
            tiny_settings(kind, **{name: WRONG[name]})


@pytest.mark.parametrize(("kind", "changes"), CASES, ids=str)
def test_chapter_says_what_it_takes_and_its_phases(kind: str, changes: dict[str, Any]) -> None:
    model = model_of(kind, changes)
    takes, phases = takes_of_model(model), phases_of(chapter_of(model), model.settings)
    assert "images" in takes
    assert set(takes) <= set(tiny_spec())
    assert all(min(phase) >= 1 for phase in phases)
    assert isinstance(model, capabilities.Grows) or len(phases) == 1


# Networks


@pytest.mark.parametrize("kind", TESTED)
def test_number_of_parameters(kind: str) -> None:
    for changes, numbers in chapter_tests(kind).NUM_PARAMETERS:
        models = [model_of(kind, changes, shape) for shape in COUNTED]
        assert tuple(model.count_params() for model in models) == numbers, changes


def assert_are_images(images: tf.Tensor, num_images: int, shape: tuple[int, int, int]) -> None:
    assert (images.shape, images.dtype) == ((num_images, *shape), np.float32)
    assert float(tf.reduce_min(images)) >= 0
    assert float(tf.reduce_max(images)) <= 1


@pytest.mark.parametrize(
    ("kind", "changes", "shape"),
    [
        (kind, changes, shape)
        for kind, changes in CASES
        for shape in SHAPES
        if kind in TESTED or max(shape) < 10
    ],
    ids=str,
)
def test_shapes_and_ranges(kind: str, changes: dict[str, Any], shape: tuple[int, int, int]) -> None:
    model = model_of(kind, changes, shape)
    assert isinstance(model, capabilities.Generates | capabilities.Encodes)
    if isinstance(model, capabilities.Generates):
        noise, given = noise_and_given(model, 2, shape)
        assert_are_images(model.generate(50 * noise, given), 2, shape)
    if isinstance(model, capabilities.Encodes):
        latents = model.encode(batch_of(model, 2, shape)["images"])
        assert (latents.shape, latents.dtype) == ((2, model.latent_dim), np.float32)
        assert_are_images(model.decode(latents), 2, shape)
        assert_are_images(model.decode(tf.fill(latents.shape, 50.0)), 2, shape)


@pytest.mark.parametrize(("kind", "changes"), CASES, ids=str)
def test_saved_and_rebuilt_model_gives_equal_bits(
    kind: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    shape = (9, 7, 3)
    model = model_of(kind, changes, shape)
    folder = write_trained_model(tmp_path / "model", model, kind, shape)
    keras.utils.set_random_seed(99)
    rebuilt = trained_model.load(folder).model
    assert rebuilt.settings == model.settings
    for old, new in zip(model.get_weights(), rebuilt.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    if isinstance(model, capabilities.Generates):
        inputs = noise_and_given(model, 3, shape)
        np.testing.assert_array_equal(rebuilt.generate(*inputs), model.generate(*inputs))
    if isinstance(model, capabilities.Encodes):
        images = batch_of(model, 3, shape)["images"]
        np.testing.assert_array_equal(rebuilt.encode(images), model.encode(images))


# Steps


def variants() -> list[tuple[str, dict[str, Any]]]:
    """Returns every kind with every value of every setting that is a choice."""
    cases = [(kind, {}) for kind in fixture_kinds()]
    for kind in TESTED:
        own = plugins.find("models", kind, "tests").Settings.model_fields
        for name in sorted(own.keys() - ModelSettings.model_fields.keys()):
            choices = get_args(own[name].annotation)
            cases += [(kind, {name: value}) for value in choices if isinstance(value, str)]
    return cases


@pytest.mark.parametrize(("kind", "changes"), variants(), ids=str)
def test_one_step_gives_finite_named_losses_and_moves_the_weights(
    kind: str, changes: dict[str, Any]
) -> None:
    model = tiny_model(kind, **changes)
    before = model.get_weights()
    losses = one_update(model, batch_of(model, model.settings.batch_size))
    assert set(losses) == set(model.loss_names)
    assert all(np.isfinite(value) and value.shape == () for value in losses.values())
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize(("kind", "changes"), CASES, ids=str)
def test_gradients_do_not_depend_on_the_load(kind: str, changes: dict[str, Any]) -> None:
    assert_sums_have_two_terms(tiny_model(kind, **changes))


# Capabilities


@capable(capabilities.Generates)
def test_images_are_a_function_of_noise_and_givens(kind: str, changes: dict[str, Any]) -> None:
    model = model_of(kind, changes)
    noise, given = noise_and_given(model, 6)
    images = model.generate(noise, given)
    np.testing.assert_array_equal(model.generate(noise, given), images)
    assert np.array_equal(model.generate(noise + 1, given), images) == (model.noise_shape == ())
    for name in model.given:
        other = {**given, name: given[name][::-1]}
        assert not np.array_equal(model.generate(noise, other), images)


@capable(capabilities.HasPosterior)
def test_posterior_is_a_gaussian_whose_mean_is_the_latent(
    kind: str, changes: dict[str, Any]
) -> None:
    model = model_of(kind, changes)
    images = batch_of(model, 4)["images"]
    mean, log_variance = model.posterior(images)
    np.testing.assert_array_equal(model.encode(images), mean)
    assert mean.shape == log_variance.shape == (4, model.latent_dim)
    many = tf.repeat(images[:1], 4000, axis=0)
    draws = (model.draw_posterior(many, SEED) - mean[:1]) * tf.exp(-0.5 * log_variance[:1])
    np.testing.assert_allclose(tf.reduce_mean(draws, axis=0), tf.zeros(3), atol=0.08)
    np.testing.assert_allclose(tf.math.reduce_std(draws, axis=0), tf.ones(3), atol=0.06)
    losses, kls = model.elbo_terms(images, SEED)
    assert (losses.shape, kls.shape) == ((4,), (4, model.latent_dim))
    assert float(tf.reduce_min(kls)) >= 0


@capable(capabilities.HasLikelihood)
def test_likelihoods_of_images_are_estimates_of_their_own(
    kind: str, changes: dict[str, Any]
) -> None:
    model = model_of(kind, changes)
    images = batch_of(model, 3)["images"]
    estimates = model.log_likelihoods(images, 5, SEED)
    assert estimates.shape == (3, 5)
    assert np.isfinite(estimates).all()
    assert len(np.unique(estimates[:, 0])) == 3
    assert model.likelihood_mean in ("probabilities", "logarithms")


@capable(capabilities.HasEncoderNetwork)
def test_first_output_of_the_encoder_are_the_latents(kind: str, changes: dict[str, Any]) -> None:
    model = model_of(kind, changes)
    images = batch_of(model, 2)["images"]
    (latents, *_) = tf.nest.flatten(model.encoder(images))
    np.testing.assert_array_equal(latents, model.encode(images))


@capable(capabilities.Validated)
def test_validation_leaves_the_weights_and_gives_numbers(
    kind: str, changes: dict[str, Any]
) -> None:
    model = model_of(kind, changes)
    batch, before = batch_of(model, 8), model.get_weights()
    losses = floats_of(model.compute_losses(batch, SEED))
    if isinstance(model, capabilities.Diagnosed):
        losses |= floats_of(model.diagnostics(batch))
    if isinstance(model, capabilities.ChecksLosses):
        model.check_losses(losses)
    assert np.isfinite(list(losses.values())).all()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "kind", [kind for kind in ALL if isinstance(model_of(kind, {}), capabilities.Validated)]
)
def test_loss_falls_on_32_fixed_images(kind: str) -> None:
    pictures, labels = halves(32, (8, 8, 1), seed=0)
    fields = {"images": pictures, "labels": labels, "inputs": pictures[:, ::-1]}
    learns = {} if kind in fixture_kinds() else chapter_tests(kind).LEARNS
    model = tiny_model(kind, batch_size=32, steps=150, **learns)
    taken = {name: fields[name] for name in takes_of_model(model)}
    batch = as_batch(taken, tiny_spec())
    first = float(model.compute_losses(batch, (0, 0))["loss"])
    _, first_bad = tiny_engine(model, taken, seed=0).run(0, 150, {})
    assert first_bad == NO_STEP
    assert float(model.compute_losses(batch, (0, 0))["loss"]) < 0.8 * first


@capable(capabilities.AveragesWeights)
def test_averaging_leaves_what_is_trained(kind: str, changes: dict[str, Any]) -> None:
    model = tiny_model(kind, **changes)
    before, everything = [
        list(map(np.array, v)) for v in (model.trainable_variables, model.variables)
    ]
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    model.average_weights(tf.constant(1))
    for old, new in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old + np.float32(1), new)
    moved = [
        (old != np.array(new)).any() for old, new in zip(everything, model.variables, strict=True)
    ]
    assert sum(moved) > len(before), "something else has moved"


@capable(capabilities.Grows)
def test_level_of_a_growing_model_is_saved(
    kind: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    """All variables are there from the start: checkpoints of all phases have the same list."""
    model = tiny_model(kind, **changes)
    optimizers, inputs = model.make_optimizers(), noise_and_given(model, 3)
    images = [model.generate(*inputs)]
    names = [variable.path for variable in model.variables]
    for phase in range(len(phases_of(chapter_of(model), model.settings))):
        model.begin(phase, optimizers)
        images.append(model.generate(*inputs))
        folder = write_trained_model(tmp_path / str(phase), model, kind, (8, 8, 1))
        rebuilt = trained_model.load(folder).model
        np.testing.assert_array_equal(rebuilt.generate(*inputs), images[-1])
    assert [variable.path for variable in model.variables] == names
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[1], images[2])


def test_float_images_of_a_batch_are_those_of_the_image_convention() -> None:
    fields = random_fields(3)
    batch = as_batch(fields, tiny_spec())
    np.testing.assert_array_equal(batch["images"], to_float(fields["images"]))
    assert batch["labels"].dtype == tf.int32
    np.testing.assert_array_equal(batch["labels"], fields["labels"])
