"""The GAN's steps: who sees which images, penalties, the averaged generator."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    as_grey_rows,
    batch_of,
    one_update,
    random_images,
    step_of,
    tiny_model,
    tiny_settings,
)

from genlab.contract.steps import Phase
from genlab.imaging.arrays import to_float
from genlab.models import gan
from genlab.networks import adversarial, augmentation, noise, optimization
from genlab.runtime.errors import InputError

TINY = {
    "network": "dense",  # a quarter of the time to compile
    "latent_dim": 3,
    "widths": [5, 4],
    "generator_filters": [2, 3],
    "discriminator_filters": [2, 3],
}
NUM_PARAMETERS = [  # by hand, of images (8, 8, 1) and (32, 32, 3): generator twice, discriminator
    ({"network": "dense"}, (2 * 425 + 354, 2 * 18473 + 15394)),
    ({"network": "convolutional"}, (2 * 185 + 146, 2 * 791 + 390)),
]

SEED = (3, 5)


def round_of(images: tf.Tensor, number: int = 0) -> gan.Round:
    return gan.Round(images, tf.constant(SEED), tf.constant(number, tf.int64))


def generator_moved(model: Any, weights: list[np.ndarray]) -> bool:
    present = model.generator.get_weights()
    return any((old != new).any() for old, new in zip(weights, present, strict=True))


@pytest.mark.parametrize("loss", ["wasserstein_gp", "hinge"])
def test_smoothing_is_refused_where_there_are_no_labels(loss: str) -> None:
    with pytest.raises(InputError) as caught:
        tiny_settings("gan", loss=loss, label_smoothing=0.1)
    assert f"label_smoothing must be 0 with loss: {loss}" in caught.value.expected


def test_penalty_of_single_images_is_refused_with_batch_normalisation() -> None:
    with pytest.raises(InputError) as caught:
        tiny_settings("gan", loss="wasserstein_gp", discriminator_normalisation="batch")
    assert "none or spectral with loss: wasserstein_gp" in caught.value.expected


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_spectral_normalisation_is_of_every_layer(network: str) -> None:
    """Weights that are ten times as large give equal logits, whichever layer they are of."""
    changes = {"network": network, "discriminator_normalisation": "spectral"}
    model, images = tiny_model("gan", **changes), tf.constant(to_float(random_images(4)))
    for _ in range(20):  # power iterations
        logits = model.discriminator(images, training=True)
    kernels = [v for v in model.discriminator.trainable_variables if v.path.endswith("kernel")]
    assert len(kernels) == 3
    for kernel in kernels:
        kernel.assign(10 * kernel)
        larger = model.discriminator(images, training=True)
        np.testing.assert_allclose(larger, logits, rtol=1e-3, atol=1e-6)


# Penalties, of a linear discriminator that never learns

WASSERSTEIN = {"loss": "wasserstein_gp", "gradient_penalty_weight": 10.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # lazy R1: 0.2 / 2 * 4 * |(3, 4)|^2, on average 0.2 / 2 * 25
        ({"r1_weight": 0.2, "r1_every_steps": 4}, [10, 0, 0, 0, 10, 0, 0, 0]),
        ({"loss": "non_saturating", "r1_weight": 0.0}, [0, 0]),
        (WASSERSTEIN | {"r1_weight": 0.2, "r1_every_steps": 1}, [10 * (5 - 1) ** 2 + 0.1 * 25]),
    ],
)
def test_penalties_of_each_step(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], expected: list[float]
) -> None:
    monkeypatch.setattr(optimization, "descend", lambda compute_losses, *rest: compute_losses())
    model = tiny_model("gan", (1, 2, 1), network="dense", **changes)
    weights = tf.constant([3.0, 4.0])
    monkeypatch.setattr(
        model, "_discriminate", lambda images: tf.linalg.matvec(images[:, 0, :, 0], weights)
    )
    images, fakes = as_grey_rows([0.1, 0.9]), as_grey_rows([0.5, 0.5])
    losses = [
        model._update_discriminator(round_of(images, number), fakes, None)
        for number in range(len(expected))
    ]
    assert [float(row["penalty"]) for row in losses] == pytest.approx(expected)
    assert [float(row["real_logit"]) for row in losses] == pytest.approx([3.9] * len(expected))


def test_one_pass_gives_logits_and_penalty() -> None:
    model = tiny_model("gan", network="convolutional", r1_weight=0.2, r1_every_steps=3)
    images = tf.constant(to_float(random_images(4)))
    lazy, due = model._judge(images, tf.constant(1)), model._judge(images, tf.constant(3))
    np.testing.assert_allclose(lazy[0], model.discriminator(images), rtol=1e-5)
    np.testing.assert_allclose(due[0], lazy[0], rtol=1e-5)
    _, squares = adversarial.with_squared_gradients(model.discriminator, images)
    assert float(lazy[1]) == 0
    assert float(due[1]) == pytest.approx(0.1 * 3 * np.mean(squares), rel=1e-5)


# Who sees which images


def test_discriminator_sees_real_and_fake_images_apart() -> None:
    """Normalised by the statistics of a batch, an image's logit depends on its own batch alone."""
    changes = {"network": "convolutional", "discriminator_normalisation": "batch"}
    model = tiny_model("gan", r1_weight=0.0, **changes)
    images, weights = tf.constant(to_float(random_images(4))), model.get_weights()
    others = tf.concat([images[:1], tf.zeros((3, 8, 8, 1))], axis=0)
    logits = [model.discriminator(batch, training=True)[0] for batch in (images, others)]
    assert abs(float(logits[0] - logits[1])) > 1e-4
    losses = []
    for fakes in (tf.zeros((4, 8, 8, 1)), tf.ones((4, 8, 8, 1)), images):
        model.set_weights(weights)
        optimizer = model.make_optimizers()["discriminator"]
        losses.append(model._update_discriminator(round_of(images), fakes, optimizer))
    real, fake = ([float(row[name]) for row in losses] for name in ("real_logit", "fake_logit"))
    assert real == pytest.approx([real[0]] * 3, abs=1e-6)
    assert abs(fake[0] - fake[2]) > 1e-4
    assert fake[2] == pytest.approx(real[2], abs=1e-6)


def test_every_discriminator_step_sees_images_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"discriminator_steps": 3, "r1_weight": 0.3, "r1_every_steps": 3}
    model = tiny_model("gan", network="dense", batch_size=2, **changes)
    rounds: list[gan.Round] = []
    fakes_of_rounds: list[bytes] = []
    update = model._update_discriminator

    def remember(part: gan.Round, fakes: tf.Tensor, optimizer: Any) -> Any:
        rounds.append(part)
        fakes_of_rounds.append(np.asarray(fakes).tobytes())
        return update(part, fakes, optimizer)

    monkeypatch.setattr(model, "_update_discriminator", remember)
    batch, optimizers = batch_of(model, 6), model.make_optimizers()
    before = model.generator.get_weights()
    losses = model.update(batch, step_of(SEED, number=4), optimizers)
    assert gan.phases(model.settings) == (Phase(12, 2, 3),)
    np.testing.assert_array_equal(tf.concat([part.real for part in rounds], 0), batch["images"])
    assert [int(part.number) for part in rounds] == [12, 13, 14]
    assert len(set(fakes_of_rounds)) == 3
    assert [int(optimizers[name].iterations) for name in ("discriminator", "generator")] == [3, 1]
    assert float(losses["penalty"]) > 0, "the first of three steps has a penalty"
    assert generator_moved(model, before)


def test_generator_step_leaves_the_discriminator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("gan", network="dense")
    losses = dict.fromkeys(model.loss_names, tf.constant(0.0))
    monkeypatch.setattr(model, "_update_discriminator", lambda *rest: losses)
    before, generator = model.discriminator.get_weights(), model.generator.get_weights()
    one_update(model, batch_of(model, 4), SEED)
    for old, new in zip(before, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert generator_moved(model, generator)


def test_discriminator_sees_all_images_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind is changed by a noise of its own, and the generator learns through the change."""
    names = ("colour", "translation", "cutout")
    changes = {"discriminator_steps": 2, "augmentations": names, "r1_weight": 0.0}
    model = tiny_model("gan", network="dense", **changes)
    originals, augmented, judged = [], [], []
    augment, discriminate = augmentation.augment, model._discriminate

    def remember(images: tf.Tensor, wanted: tuple[str, ...], seed: tf.Tensor) -> tf.Tensor:
        assert wanted == names
        originals.append((np.asarray(images), tuple(np.asarray(seed))))
        augmented.append(augment(images, wanted, seed))
        return augmented[-1]

    monkeypatch.setattr(augmentation, "augment", remember)
    monkeypatch.setattr(
        model, "_discriminate", lambda images: judged.append(images) or discriminate(images)
    )
    batch, before = batch_of(model, 8), model.generator.get_weights()
    one_update(model, batch, SEED)
    fakes, real, last_fakes, last_real = range(4)
    assert len({seed for _, seed in originals}) == 4
    np.testing.assert_array_equal(originals[real][0], batch["images"][:4])
    np.testing.assert_array_equal(originals[last_real][0], batch["images"][4:])
    order = (real, fakes, last_real, last_fakes, last_fakes)
    for images, index in zip(judged, order, strict=True):
        assert images is augmented[index], "nothing else stands between"
    assert generator_moved(model, before)


# The averaged generator


def test_moving_average_by_hand() -> None:
    model = tiny_model("gan", network="dense", average_decay=0.995)

    def fill(network: keras.Model, value: float) -> None:
        network.set_weights([np.full_like(weight, value) for weight in network.get_weights()])

    def average() -> set[float]:
        weights = model.average_generator.get_weights()
        return {round(float(entry), 5) for weight in weights for entry in weight.flat}

    fill(model.average_generator, 0.0)
    fill(model.generator, 1.0)
    model.average_weights(tf.constant(0))
    assert average() == {0.9}  # decay 1/10
    fill(model.generator, 2.0)
    model.average_weights(tf.constant(1))
    assert average() == {1.8}  # decay 2/11: 0.9 * 2/11 + 2 * 9/11
    model.average_weights(tf.constant(1_000_000))
    assert average() == {1.801}  # decay 0.995: 1.8 + 0.005 * 0.2


def test_samples_are_the_averages_with_its_moving_statistics() -> None:
    model = tiny_model("gan", network="convolutional")
    averages, present = model.average_generator.get_weights(), model.generator.get_weights()
    for average, weight in zip(averages, present, strict=True):
        np.testing.assert_array_equal(average, weight)
    latents = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    together = np.asarray(model.generate(latents, {}))
    np.testing.assert_allclose(model.generate(latents[:1], {})[0], together[0], atol=1e-6)
    names = {variable.path: variable for variable in model.average_generator.variables}
    moving = next(variable for path, variable in names.items() if "moving_mean" in path)
    moving.assign(moving + 1.0)
    assert np.abs(np.asarray(model.generate(latents, {})) - together).max() > 1e-3


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_latents_of_training_are_drawn_from_the_prior(
    monkeypatch: pytest.MonkeyPatch, prior: str
) -> None:
    model, priors = tiny_model("gan", network="dense", prior=prior), []
    draw = noise.draw
    monkeypatch.setattr(noise, "draw", lambda *how: priors.append(how[-1]) or draw(*how))
    one_update(model, batch_of(model, 4))
    assert priors == [model.prior] == [prior]
