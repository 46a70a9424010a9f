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
    SHAPE,
    assert_sums_have_two_terms,
    batch_of,
    chapter_tests,
    fixture_chapters,
    fixture_kinds,
    floats_of,
    halves,
    one_update,
    phases_of_model,
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

KINDS = plugins.names("models")
TESTED = [kind for kind in KINDS if (CHAPTER_TESTS / f"test_{kind}.py").is_file()]
Case = tuple[str, dict[str, Any]]
CASES: list[Case] = [(kind, {}) for kind in fixture_kinds()]
CASES += [(kind, changes) for kind in TESTED for changes, _ in chapter_tests(kind).NUM_PARAMETERS]
SHAPES = [(8, 8, 1), (28, 28, 1), (64, 64, 3), (9, 7, 3)]
SEED = (3, 5)


@pytest.fixture(autouse=True)
def _chapters() -> Iterator[None]:
    with fixture_chapters():
        yield


@cache
def _model(kind: str, changes: tuple[Any, ...], shape: tuple[int, int, int]) -> Any:
    with fixture_chapters():
        return tiny_model(kind, shape, **dict(changes))


def model_of(case: Case, shape: tuple[int, int, int] = SHAPE) -> Any:
    kind, changes = case
    return _model(kind, tuple(changes.items()), shape)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Any:
    """Returns a model with random weights, which other tests use, too."""
    return model_of(request.param)


def capable(*protocols: type) -> Any:
    """Has a test run for each model that has all of these capabilities."""
    cases = [case for case in CASES if all(isinstance(model_of(case), p) for p in protocols)]
    return pytest.mark.parametrize("model", cases, indirect=True, ids=str)


def noise_and_given(model: Any, number: int, shape: tuple[int, int, int] = SHAPE) -> Any:
    """Returns noise, and what the model is given."""
    noise = np.random.default_rng(0).standard_normal((number, *model.noise_shape), np.float32)
    fields = random_fields(number, shape)
    given = as_batch({name: fields[name] for name in model.given}, tiny_spec(shape))
    return tf.constant(noise), given


# The chapter


@pytest.mark.parametrize("kind", KINDS)
def test_every_chapter_has_tests_of_its_own(kind: str) -> None:
    facts = vars(chapter_tests(kind))
    assert {"TINY", "NUM_PARAMETERS"} <= facts.keys(), f"test_{kind}.py must have both"
    assert any(name.startswith("test_") for name in facts), f"test_{kind}.py tests nothing"


@pytest.mark.parametrize("kind", TESTED)
def test_settings_have_no_defaults_and_refuse_unknown_keys(kind: str) -> None:
    settings = plugins.find("models", kind, "tests").Settings
    assert issubclass(settings, ModelSettings)
    assert all(field.is_required() for field in settings.model_fields.values())
    assert settings.model_config["frozen"]
    entry, own = tiny_entry(kind), settings.model_fields.keys() - ModelSettings.model_fields.keys()
    name = min(own)
    with pytest.raises(InputError) as caught:
        build_section(settings, entry | {f"{name}s": 3}, "params.yaml: models.m")
    assert caught.value.received == repr(f"{name}s")
    assert f"(nearest: {name!r})" in caught.value.expected
    del entry[name]
    with pytest.raises(InputError, match=f"^tests must have the key {name!r}"):
        build_section(settings, entry, "tests")


WRONG = {"latent_dim": 0, "widths": [4, 0], "network": "deep", "beta_1": float("nan")}
WRONG |= {"beta_2": 1.0, "batch_size": 0, "warmup_steps": 12, "gradient_clip_norm": 0.0}


@pytest.mark.parametrize("kind", TESTED)
def test_settings_refuse_what_no_model_can_have(kind: str) -> None:
    for name, value in WRONG.items():
        if name in tiny_entry(kind):
            with pytest.raises(InputError, match=f"^{name}"):
                tiny_settings(kind, **{name: value})


@capable()
def test_chapter_says_what_it_takes_and_its_phases(model: Any) -> None:
    assert {"images"} <= set(takes_of_model(model)) <= set(tiny_spec())
    phases = phases_of_model(model)
    assert all(min(phase) >= 1 for phase in phases)
    assert isinstance(model, capabilities.Grows) or len(phases) == 1


# Networks


@pytest.mark.parametrize("kind", TESTED)
def test_number_of_parameters(kind: str) -> None:
    for changes, numbers in chapter_tests(kind).NUM_PARAMETERS:
        models = [model_of((kind, changes), shape) for shape in ((8, 8, 1), (32, 32, 3))]
        assert tuple(model.count_params() for model in models) == numbers, changes


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_and_ranges(case: Case, shape: tuple[int, int, int]) -> None:
    if case[0] in fixture_kinds():
        shape = (9, 7, 3)  # a translator of large pictures has too many weights
    model, images = model_of(case, shape), []
    if isinstance(model, capabilities.Generates):
        noise, given = noise_and_given(model, 2, shape)
        images.append(model.generate(50 * noise, given))
    if isinstance(model, capabilities.Encodes):
        latents = model.encode(batch_of(model, 2, shape)["images"])
        assert (latents.shape, latents.dtype) == ((2, model.latent_dim), np.float32)
        images += [model.decode(latents), model.decode(tf.fill(latents.shape, 50.0))]
    assert images, "it generates or encodes"
    for pictures in images:
        assert (pictures.shape, pictures.dtype) == ((2, *shape), np.float32)
        assert 0 <= float(tf.reduce_min(pictures)) <= float(tf.reduce_max(pictures)) <= 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_saved_and_rebuilt_model_gives_equal_bits(case: Case, tmp_path: Path) -> None:
    shape = (9, 7, 3)
    model = model_of(case, shape)
    folder = write_trained_model(tmp_path / "model", model, case[0], shape)
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


def variants() -> list[Case]:
    """Returns every kind with every value of every setting that is a choice."""
    cases: list[Case] = [(kind, {}) for kind in fixture_kinds()]
    for kind in TESTED:
        own = plugins.find("models", kind, "tests").Settings.model_fields
        for name in sorted(own.keys() - ModelSettings.model_fields.keys()):
            choices = get_args(own[name].annotation)
            cases += [(kind, {name: value}) for value in choices if isinstance(value, str)]
    return cases


@pytest.mark.parametrize("case", variants(), ids=str)
def test_one_step_gives_finite_named_losses_and_moves_the_weights(case: Case) -> None:
    model = tiny_model(case[0], **case[1])
    before = model.get_weights()
    losses = one_update(model, batch_of(model, model.settings.batch_size))
    assert set(losses) == set(model.loss_names)
    assert all(np.isfinite(value) and value.shape == () for value in losses.values())
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_do_not_depend_on_the_load(case: Case) -> None:
    assert_sums_have_two_terms(tiny_model(case[0], **case[1]))


# Capabilities


@capable(capabilities.Generates)
def test_images_are_a_function_of_noise_and_givens(model: Any) -> None:
    noise, given = noise_and_given(model, 6)
    images = model.generate(noise, given)
    np.testing.assert_array_equal(model.generate(noise, given), images)
    assert np.array_equal(model.generate(noise + 1, given), images) == (model.noise_shape == ())
    for name in model.given:
        other = {**given, name: given[name][::-1]}
        assert not np.array_equal(model.generate(noise, other), images)


@capable(capabilities.HasPosterior)
def test_posterior_is_a_gaussian_whose_mean_is_the_latent(model: Any) -> None:
    images = batch_of(model, 4)["images"]
    mean, log_variance = model.posterior(images)
    np.testing.assert_array_equal(model.encode(images), mean)
    assert mean.shape == log_variance.shape == (4, model.latent_dim)
    draws = model.draw_posterior(tf.repeat(images[:1], 4000, axis=0), SEED)
    standardised = (draws - mean[:1]) * tf.exp(-0.5 * log_variance[:1])
    np.testing.assert_allclose(tf.reduce_mean(standardised, axis=0), tf.zeros(3), atol=0.08)
    np.testing.assert_allclose(tf.math.reduce_std(standardised, axis=0), tf.ones(3), atol=0.06)
    losses, kls = model.elbo_terms(images, SEED)
    assert (losses.shape, kls.shape) == ((4,), (4, model.latent_dim))
    assert float(tf.reduce_min(kls)) >= 0


@capable(capabilities.HasLikelihood)
def test_each_image_has_likelihoods_of_its_own(model: Any) -> None:
    estimates = model.log_likelihoods(batch_of(model, 3)["images"], 5, SEED)
    assert estimates.shape == (3, 5)
    assert np.isfinite(estimates).all()
    assert len(np.unique(estimates[:, 0])) == 3
    assert model.likelihood_mean in ("probabilities", "logarithms")


@capable(capabilities.HasEncoderNetwork, capabilities.Encodes)
def test_first_output_of_the_encoder_is_the_latents(model: Any) -> None:
    images = batch_of(model, 2)["images"]
    (latents, *_) = tf.nest.flatten(model.encoder(images))
    np.testing.assert_array_equal(latents, model.encode(images))


@capable(capabilities.Validated)
def test_validation_leaves_the_weights_and_gives_numbers(model: Any) -> None:
    batch, before = batch_of(model, 8), model.get_weights()
    losses = floats_of(model.compute_losses(batch, SEED))
    if isinstance(model, capabilities.Diagnosed):
        losses |= floats_of(model.diagnostics(batch))
    if isinstance(model, capabilities.ChecksLosses):
        model.check_losses(losses)
    assert np.isfinite(list(losses.values())).all()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", [*TESTED, *fixture_kinds()])
def test_loss_falls_on_32_fixed_images(kind: str) -> None:
    learns = {} if kind in fixture_kinds() else getattr(chapter_tests(kind), "LEARNS", {})
    model = tiny_model(kind, **({"batch_size": 32, "steps": 150} | learns))
    if not isinstance(model, capabilities.Validated):
        return
    images, labels = halves(32, SHAPE, seed=0)
    fields = {"images": images, "labels": labels, "inputs": images[:, ::-1]}
    fields = {name: fields[name] for name in takes_of_model(model)}
    batch = as_batch(fields, tiny_spec())
    first = float(model.compute_losses(batch, (0, 0))["loss"])
    assert tiny_engine(model, fields, seed=0).run(0, 150, {})[1] == NO_STEP
    assert float(model.compute_losses(batch, (0, 0))["loss"]) < 0.8 * first


@capable(capabilities.AveragesWeights)
def test_averaging_leaves_what_is_trained(model: Any) -> None:
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    before = {variable.path: np.array(variable) for variable in model.variables}
    model.average_weights(tf.constant(1))
    moved = {v.path for v in model.variables if (np.array(v) != before[v.path]).any()}
    assert moved
    assert not moved & {variable.path for variable in model.trainable_variables}


@pytest.mark.parametrize(
    "case", [case for case in CASES if isinstance(model_of(case), capabilities.Grows)], ids=str
)
def test_level_of_a_growing_model_is_saved(case: Case, tmp_path: Path) -> None:
    """All variables are there from the start: checkpoints of all phases have the same list."""
    model = tiny_model(case[0], **case[1])
    optimizers, inputs = model.make_optimizers(), noise_and_given(model, 3)
    images = [model.generate(*inputs)]
    names = [variable.path for variable in model.variables]
    for phase in range(len(phases_of_model(model))):
        model.begin(phase, optimizers)
        images.append(model.generate(*inputs))
        folder = write_trained_model(tmp_path / str(phase), model, case[0], SHAPE)
        rebuilt = trained_model.load(folder).model
        np.testing.assert_array_equal(rebuilt.generate(*inputs), images[-1])
    assert [variable.path for variable in model.variables] == names
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[1], images[2])


def test_batch_is_that_of_the_image_convention() -> None:
    fields = random_fields(3)
    batch = as_batch(fields, tiny_spec())
    np.testing.assert_array_equal(batch["images"], to_float(fields["images"]))
    np.testing.assert_array_equal(batch["labels"], fields["labels"])
    assert batch["labels"].dtype == tf.int32
