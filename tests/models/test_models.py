"""The models' formulas, against numbers that were worked out by hand or by another route."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images, tiny_model, tiny_settings
from scipy import integrate, special, stats

from genlab.imaging.arrays import to_float
from genlab.models import autoencoder, gan, vae
from genlab.networks import augmentation, optimization, trunks
from genlab.runtime.errors import InputError

LN2, LN3 = math.log(2), math.log(3)
SEED = (3, 5)


def as_images(*rows: list[float]) -> tf.Tensor:
    """Returns images of one row of grey pixels each."""
    return tf.constant(rows, tf.float32)[:, None, :, None]


# Autoencoder. sigmoid(0) = 1/2, sigmoid(ln 3) = 3/4, sigmoid(-ln 3) = 1/4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l2", (0 + 1 / 16 + 1 / 16 + 1 / 16) / 2),
        ("l1", (0 + 1 / 4 + 1 / 4 + 1 / 4) / 2),
        ("bce", (LN2 - math.log(0.75) - math.log(0.75) + LN2) / 2),
    ],
)
def test_reconstruction_losses(name: str, expected: float) -> None:
    images, logits = as_images([0.5, 1.0], [0.0, 0.25]), as_images([0.0, LN3], [-LN3, 0.0])
    assert float(autoencoder.RECONSTRUCTION_LOSSES[name](images, logits)) == pytest.approx(
        expected, rel=1e-6
    )


def test_every_reconstruction_loss_is_a_setting() -> None:
    allowed = get_args(autoencoder.Settings.model_fields["reconstruction_loss"].annotation)
    assert set(allowed) == set(autoencoder.RECONSTRUCTION_LOSSES) == {"l2", "l1", "bce"}


def test_sparsity_sums_over_dimensions_and_averages_over_the_batch() -> None:
    assert float(autoencoder.sparsity(tf.constant([[1.0, -2.0], [0.0, 0.5]]))) == pytest.approx(
        (3 + 0.5) / 2
    )


def test_autoencoder_weighs_its_terms() -> None:
    model = tiny_model(
        "autoencoder", reconstruction_weight=2.0, sparsity_weight=0.25, network="dense"
    )
    images = to_float(random_images(4))
    losses = {name: float(value) for name, value in model.compute_losses(images, SEED).items()}
    by_hand = np.square(images - np.asarray(model.reconstruct(images))).sum() / 4
    assert losses["reconstruction_loss"] == pytest.approx(by_hand, rel=1e-5)
    assert losses["loss"] == pytest.approx(
        2 * losses["reconstruction_loss"] + 0.25 * losses["sparsity"], rel=1e-5
    )


# VAE


@pytest.mark.parametrize(
    ("mean", "log_variance", "expected"),
    [
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 0.5),
        (0.0, math.log(4), 1.5 - LN2),
        (-2.0, -math.log(4), 1.625 + LN2),
    ],
)
def test_kl_by_hand(mean: float, log_variance: float, expected: float) -> None:
    assert float(vae.kl_per_dimension(mean, log_variance)) == pytest.approx(
        expected, rel=1e-6, abs=1e-12
    )


def test_kl_by_quadrature() -> None:
    mean, log_variance = 0.7, -1.2
    posterior, prior = stats.norm(mean, math.exp(log_variance / 2)), stats.norm()
    expected, _ = integrate.quad(
        lambda point: posterior.pdf(point) * (posterior.logpdf(point) - prior.logpdf(point)), -6, 6
    )
    assert float(vae.kl_per_dimension(mean, log_variance)) == pytest.approx(expected, rel=1e-6)


def test_kl_near_the_prior_keeps_its_digits() -> None:
    kl = vae.kl_per_dimension(tf.zeros(2), tf.constant([1e-4, -1e-4]))
    np.testing.assert_allclose(kl, [2.5e-9, 2.5e-9], rtol=5e-3)  # log_variance^2 / 4


def test_bernoulli_loss_at_logits_zero_is_ln_2_per_pixel() -> None:
    images = to_float(random_images(2, (8, 8, 3)))
    np.testing.assert_allclose(
        vae.bernoulli_loss(images, tf.zeros((2, 8, 8, 3))), [192 * LN2] * 2, rtol=1e-6
    )


def test_bernoulli_loss_is_minus_the_log_probability() -> None:
    losses = vae.bernoulli_loss(
        as_images([1.0, 0.0], [0.25, 1.0]), as_images([LN3, LN3], [-LN3, 0.0])
    )
    second = -0.25 * math.log(0.25) - 0.75 * math.log(0.75) + LN2
    np.testing.assert_allclose(losses, [-math.log(0.75) - math.log(0.25), second], rtol=1e-6)


def test_reparameterise_draws_from_the_posterior() -> None:
    mean, log_variance = tf.fill((20000, 1), -1.0), tf.fill((20000, 1), math.log(4))
    draws = np.asarray(vae.reparameterise(mean, log_variance, SEED))
    assert draws.mean() == pytest.approx(-1, abs=0.06)  # four standard errors
    assert draws.std() == pytest.approx(2, abs=0.04)
    np.testing.assert_array_equal(draws, vae.reparameterise(mean, log_variance, SEED))
    assert not np.array_equal(draws, vae.reparameterise(mean, log_variance, (3, 6)))


def test_vae_weighs_the_loss_but_never_the_bound() -> None:
    model = tiny_model("vae", reconstruction_weight=0.5, kl_weight=4.0, network="dense")
    losses = {
        name: float(value)
        for name, value in model.compute_losses(to_float(random_images(4)), SEED).items()
    }
    assert losses["kl"] > 1e-4
    assert losses["loss"] == pytest.approx(
        0.5 * losses["reconstruction_loss"] + 4 * losses["kl"], rel=1e-6
    )
    assert losses["negative_elbo"] == pytest.approx(
        losses["reconstruction_loss"] + losses["kl"], rel=1e-6
    )


@pytest.mark.parametrize(("warmup_steps", "weights"), [(0, [4, 4, 4]), (8, [0, 1, 2, 4, 4])])
def test_kl_weight_rises_linearly(warmup_steps: int, weights: list[float]) -> None:
    model = tiny_model("vae", kl_weight=4.0, kl_warmup_steps=warmup_steps)
    found = [float(model.kl_weight(tf.constant(step))) for step in (0, 2, 4, 8, 11)[: len(weights)]]
    assert found == weights


def test_kl_is_warmed_up_in_training_alone() -> None:
    model = tiny_model("vae", network="dense", kl_weight=4.0, kl_warmup_steps=2)
    images, optimizers = tf.constant(to_float(random_images(4))), model.make_optimizers()
    for weight in (0.0, 2.0, 4.0, 4.0):
        validated = model.compute_losses(images, SEED)
        trained = model.update(images, tf.constant(SEED), optimizers)
        for name in ("reconstruction_loss", "kl", "negative_elbo"):
            assert float(trained[name]) == float(validated[name])
        for losses, expected in ((trained, weight), (validated, 4.0)):
            by_hand = float(losses["reconstruction_loss"]) + expected * float(losses["kl"])
            assert float(losses["loss"]) == pytest.approx(by_hand, rel=1e-6)


def test_free_bits_by_hand() -> None:
    """Batch means 0.2 and 3: the first counts 0.5 and is not pushed any further."""
    kls = tf.constant([[0.1, 2.0], [0.3, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(kls)
        counted = vae.free_kl(kls, 0.5)
    assert float(counted) == pytest.approx(0.5 + 3)
    np.testing.assert_allclose(tape.gradient(counted, kls), [[0, 0.5], [0, 0.5]])
    assert float(vae.free_kl(kls, 0.0)) == pytest.approx(0.2 + 3)


def test_free_bits_count_in_the_loss_but_never_in_the_bound() -> None:
    model = tiny_model("vae", network="dense", kl_weight=2.0, free_bits=100.0)
    losses = {
        name: float(value)
        for name, value in model.compute_losses(to_float(random_images(4)), SEED).items()
    }
    assert losses["loss"] == pytest.approx(losses["reconstruction_loss"] + 2 * 3 * 100, rel=1e-6)
    assert losses["negative_elbo"] == pytest.approx(
        losses["reconstruction_loss"] + losses["kl"], rel=1e-6
    )
    assert losses["kl"] < 100


def test_vae_loss_by_hand() -> None:
    """One encoder's output, mean (1, 0) and variance (1, 4), and a decoder that always says 1/2."""
    mean, log_variance = tf.constant([[1.0, 0.0]]), tf.constant([[0.0, math.log(4)]])
    model: Any = SimpleNamespace(
        posterior=lambda images: (mean, log_variance),
        decoder=lambda latents: tf.zeros((1, 1, 2, 1)),
    )
    reconstruction_losses, kls = vae.VAE.elbo_terms(model, as_images([0.3, 0.9]), SEED)
    np.testing.assert_allclose(reconstruction_losses, [2 * LN2], rtol=1e-6)
    np.testing.assert_allclose(kls, [[0.5, 1.5 - LN2]], rtol=1e-6)


# VAE: several draws, the importance-weighted bound


def test_ratio_of_prior_and_posterior_at_the_draws() -> None:
    mean, log_variance = np.array([[0.5, -1.0], [0.0, 2.0]]), np.array([[0.0, -1.0], [1.0, 0.3]])
    draws = vae.draw(tf.constant(mean, tf.float32), tf.constant(log_variance, tf.float32), 4, SEED)
    latents = np.asarray(draws.latents, np.float64)
    assert latents.shape == (2, 4, 2)
    posterior = stats.norm(mean[:, None], np.exp(log_variance / 2)[:, None])
    expected = (stats.norm.logpdf(latents) - posterior.logpdf(latents)).sum(axis=2)
    np.testing.assert_allclose(draws.log_ratios, expected, rtol=1e-5, atol=1e-5)


def test_several_draws_are_from_the_posterior() -> None:
    mean, log_variance = tf.constant([[-1.0], [3.0]]), tf.constant([[math.log(4)], [0.0]])
    latents = np.asarray(vae.draw(mean, log_variance, 20000, SEED).latents)[..., 0]
    np.testing.assert_allclose(latents.mean(axis=1), [-1, 3], atol=0.06)  # four standard errors
    np.testing.assert_allclose(latents.std(axis=1), [2, 1], atol=0.04)
    one = vae.draw(mean, log_variance, 1, SEED).latents[:, 0]
    np.testing.assert_array_equal(one, vae.reparameterise(mean, log_variance, SEED))


def test_importance_weighted_loss_by_hand() -> None:
    """Mean weights (1 + 3) / 2 and (2 + 2) / 2 times e^-100, which float32 cannot hold; the gradient is equation 14."""
    log_weights = tf.constant([[0.0, LN3], [LN2 - 100, LN2 - 100]])
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        loss = vae.importance_weighted_loss(log_weights)
    assert float(loss) == pytest.approx((-LN2 + 100 - LN2) / 2, rel=1e-6)
    np.testing.assert_allclose(
        tape.gradient(loss, log_weights), [[-1 / 8, -3 / 8], [-1 / 4, -1 / 4]], rtol=1e-5
    )


@pytest.mark.parametrize("num_draws", [1, 3])
def test_losses_of_several_draws(num_draws: int) -> None:
    """Against a loop over the draws: the ELBO takes the mean of the losses, the other bound the log of mean weights."""
    images = to_float(random_images(4))
    found = {}
    for objective in ("elbo", "importance_weighted"):
        model = tiny_model(
            "vae", network="dense", objective=objective, num_importance_samples=num_draws
        )
        found[objective] = {
            name: float(value) for name, value in model.compute_losses(images, SEED).items()
        }
    draws = vae.draw(*model.posterior(images), num_draws, SEED)
    each = [
        vae.bernoulli_loss(images, model.decoder(draws.latents[:, index]))
        for index in range(num_draws)
    ]
    reconstruction_losses = np.stack(each, axis=1).astype(np.float64)  # (n, num_draws)
    kl = np.asarray(vae.kl_per_dimension(*model.posterior(images)), np.float64).sum(axis=1).mean()
    log_ratios = np.asarray(draws.log_ratios, np.float64)
    weighted = -special.logsumexp(
        log_ratios - reconstruction_losses, axis=1, b=1 / num_draws
    ).mean()
    for losses in found.values():
        assert losses["reconstruction_loss"] == pytest.approx(
            reconstruction_losses.mean(), rel=1e-5
        )
        assert losses["kl"] == pytest.approx(kl, rel=1e-4)
        assert losses["negative_elbo"] == pytest.approx(reconstruction_losses.mean() + kl, rel=1e-5)
    assert found["elbo"]["loss"] == pytest.approx(reconstruction_losses.mean() + kl, rel=1e-5)
    assert found["importance_weighted"]["loss"] == pytest.approx(weighted, rel=1e-5)
    if num_draws == 1:
        sampled = (reconstruction_losses - log_ratios).mean()
        assert found["importance_weighted"]["loss"] == pytest.approx(sampled, rel=1e-5), (
            "the KL at the draw"
        )


@pytest.mark.parametrize(
    ("name", "value", "neutral"),
    [
        ("reconstruction_weight", 2.0, 1),
        ("kl_weight", 0.5, 1),
        ("kl_warmup_steps", 5, 0),
        ("free_bits", 0.1, 0),
    ],
)
def test_weights_are_refused_where_there_are_no_two_terms(
    name: str, value: float, neutral: int
) -> None:
    message = (
        f"^{name} must be {neutral} with objective: importance_weighted, which has no two terms to weigh. "
        f"Received: {name}={value}. See tests.$"
    )
    with pytest.raises(InputError, match=message):
        tiny_settings("vae", objective="importance_weighted", **{name: value})


def test_units_of_burda_et_al() -> None:
    """784-200-200-50 and back, tanh: the parameters counted by hand."""
    model = tiny_model(
        "vae", (28, 28, 1), network="dense", widths=[200, 200], latent_dim=50, activation="tanh"
    )
    encoder = 784 * 200 + 200 + 200 * 200 + 200 + 2 * (200 * 50 + 50)
    decoder = 50 * 200 + 200 + 200 * 200 + 200 + 200 * 784 + 784
    assert model.count_params() == encoder + decoder == 425_284
    hidden = [
        layer
        for network in (model.encoder, model.decoder)
        for layer in network.layers
        if "dense" in layer.name
    ]
    assert [layer.activation for layer in hidden] == [keras.activations.tanh] * 4 + [
        keras.activations.linear
    ]


def test_convolutions_have_no_other_activation() -> None:
    with pytest.raises(
        InputError,
        match=r"^activation must be relu with network: convolutional. Received: activation=tanh. See tests.$",
    ):
        tiny_settings("vae", network="convolutional", activation="tanh")


def test_latent_diagnostics_by_hand() -> None:
    mean = tf.constant(
        [[0.0, 0.0], [0.4, 0.1]]
    )  # variances 0.04 and 0.0025: only the first is active
    model: Any = SimpleNamespace(
        posterior=lambda images: (mean, tf.zeros((2, 2))), settings=SimpleNamespace(latent_dim=2)
    )
    found = {name: float(value) for name, value in vae.VAE.latent_diagnostics(model, None).items()}
    assert found == pytest.approx(
        {"kl_of_dimension_0": 0.04, "kl_of_dimension_1": 0.0025, "active_units": 1}
    )


@pytest.mark.parametrize("kl", [0.0, -9e-4, 3.0])
def test_kl_down_to_rounding_is_accepted(kl: float) -> None:
    tiny_model("vae").check_losses({"kl": kl})


@pytest.mark.parametrize("kl", [-1.1e-3, math.nan])
def test_impossible_kl_is_refused(kl: float) -> None:
    with pytest.raises(
        FloatingPointError, match=r"kl must be at least -0.001 nats per image. Received: "
    ):
        tiny_model("vae").check_losses({"kl": kl})


def test_mean_and_log_variance_have_no_activation() -> None:
    encoder = tiny_model("vae", network="dense").encoder
    heads = [encoder.get_layer(name) for name in ("mean", "log_variance")]
    assert [head.activation for head in heads] == [keras.activations.linear] * 2
    assert heads[0].input is heads[1].input, "the trunk is shared"


# GAN: losses. softplus(0) = ln 2, softplus(ln 3) = ln 4, softplus(-ln 3) = ln 4/3

REAL, FAKE = [0.0, LN3], [LN3, 0.0]
CROSS_ENTROPY = (LN2 + math.log(4 / 3)) / 2 + (math.log(4) + LN2) / 2
BY_HAND = {  # real and fake logits; the discriminator's loss, smoothing, its loss with smoothing; the generator's loss
    "non_saturating": (
        REAL,
        FAKE,
        CROSS_ENTROPY,
        0.1,
        CROSS_ENTROPY + 0.1 * LN3 / 2,
        (math.log(4 / 3) + LN2) / 2,
    ),
    "minimax": (
        REAL,
        FAKE,
        CROSS_ENTROPY,
        0.1,
        CROSS_ENTROPY + 0.1 * LN3 / 2,
        -(math.log(4) + LN2) / 2,
    ),
    "least_squares": ([2.0, 0.5], [-0.5, 1.0], 0.625, 0.2, 0.695, 0.5625),
    "wasserstein_gp": ([2.0, 0.5], [-0.5, 1.0], -1.0, 0.0, -1.0, -0.25),
    "hinge": ([2.0, 0.5], [-0.5, 1.0], 0.25 + 1.25, 0.0, 1.5, -0.25),
}


def test_every_loss_is_a_setting_and_in_the_table() -> None:
    assert (
        set(gan.LOSSES)
        == set(BY_HAND)
        == set(get_args(gan.Settings.model_fields["loss"].annotation))
    )


@pytest.mark.parametrize("name", BY_HAND)
def test_adversarial_losses(name: str) -> None:
    real, fake, discriminator_loss, smoothing, smoothed_loss, generator_loss = BY_HAND[name]
    real, fake, loss = tf.constant(real), tf.constant(fake), gan.LOSSES[name]
    assert float(loss.discriminator(real, fake, 0.0)) == pytest.approx(discriminator_loss, rel=1e-6)
    assert float(loss.discriminator(real, fake, smoothing)) == pytest.approx(
        smoothed_loss, rel=1e-6
    )
    assert float(loss.generator(fake)) == pytest.approx(generator_loss, rel=1e-6)


def test_discriminator_that_cannot_tell_loses_two_ln_2() -> None:
    zeros = tf.zeros(5)
    assert float(gan.cross_entropy_discriminator(zeros, zeros, 0.0)) == pytest.approx(2 * LN2)


@pytest.mark.parametrize("loss", ["wasserstein_gp", "hinge"])
def test_smoothing_is_refused_where_there_are_no_labels(loss: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"label_smoothing must be 0 with loss: {loss}, which has no labels. See tests.",
    ):
        tiny_settings("gan", loss=loss, label_smoothing=0.1)


# GAN: penalties of discriminators whose gradient is known everywhere


def linear(*weights: float) -> Any:
    """Returns a discriminator whose gradient is `weights` at every image."""
    return lambda images, training=True: tf.reduce_sum(
        images[:, 0, :, 0] * tf.constant(weights), axis=1
    )


@pytest.mark.parametrize(
    ("weights", "expected"), [((3.0, 4.0), 16.0), ((0.6, 0.8), 0.0), ((0.0, 0.0), 1.0)]
)
def test_gradient_penalty_of_a_linear_function(
    weights: tuple[float, float], expected: float
) -> None:
    images, fakes = as_images([0.1, 0.9], [0.4, 0.2]), as_images([0.5, 0.5], [1.0, 0.0])
    assert float(gan.gradient_penalty(linear(*weights), images, fakes, SEED)) == pytest.approx(
        expected, abs=1e-5
    )


def test_gradient_penalty_mixes_each_pair_uniformly() -> None:
    points = []

    def remember(images: tf.Tensor) -> tf.Tensor:
        points.append(np.asarray(images))
        return tf.reduce_sum(images, axis=(1, 2, 3))

    gan.gradient_penalty(remember, tf.zeros((5000, 1, 2, 1)), tf.ones((5000, 1, 2, 1)), SEED)
    shares = points[0][:, 0, 0, 0]
    np.testing.assert_array_equal(points[0][:, 0, 1, 0], shares)
    assert stats.kstest(shares, "uniform").pvalue > 1e-3
    assert 0 <= shares.min() < 0.01 < 0.99 < shares.max() <= 1


def test_squared_gradients_are_those_of_each_image() -> None:
    images = as_images([1.0, 2.0], [0.0, 3.0])
    outputs, squares = gan.with_squared_gradients(
        lambda points: tf.reduce_sum(points**2, axis=(1, 2, 3)), images
    )
    np.testing.assert_allclose(outputs, [5, 9])
    np.testing.assert_allclose(squares, [4 + 16, 36])  # |2 images|^2


@pytest.fixture
def penalties(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Returns a function that gives the penalty in the steps of a linear discriminator that never learns."""
    monkeypatch.setattr(
        optimization, "descend", lambda compute_losses, variables, optimizer: compute_losses()
    )

    def compute(weights: tuple[float, ...], steps: range, **changes: object) -> list[float]:
        model = tiny_model("gan", (1, 2, 1), network="dense", **changes)
        monkeypatch.setattr(model, "_discriminate", linear(*weights))
        images, fakes = as_images([0.1, 0.9]), as_images([0.5, 0.5])
        optimizers: Any = [SimpleNamespace(iterations=tf.constant(step)) for step in steps]
        losses = [
            model._update_discriminator(images, fakes, tf.constant(SEED), optimizer)
            for optimizer in optimizers
        ]
        assert all(
            float(each["real_logit"]) == pytest.approx(np.dot(weights, [0.1, 0.9]))
            for each in losses
        )
        return [float(each["penalty"]) for each in losses]

    return compute


def test_r1_is_lazy_and_as_strong_on_average(penalties: Callable[..., list[float]]) -> None:
    found = penalties((3.0, 4.0), range(8), loss="hinge", r1_weight=0.2, r1_every_steps=4)
    assert found == pytest.approx([10, 0, 0, 0, 10, 0, 0, 0])  # 0.2 / 2 * 4 * |(3, 4)|^2
    assert np.mean(found) == pytest.approx(0.2 / 2 * 25)


def test_penalties_that_are_switched_off_are_zero(penalties: Callable[..., list[float]]) -> None:
    assert penalties((3.0, 4.0), range(2), loss="non_saturating", r1_weight=0.0) == [0, 0]


def test_penalties_add_up(penalties: Callable[..., list[float]]) -> None:
    settings = {
        "loss": "wasserstein_gp",
        "gradient_penalty_weight": 10.0,
        "r1_weight": 0.2,
        "r1_every_steps": 1,
    }
    assert penalties((3.0, 4.0), range(1), **settings) == pytest.approx(
        [10 * (5 - 1) ** 2 + 0.1 * 25]
    )


# GAN: the model


def test_moving_average_by_hand() -> None:
    model = tiny_model("gan", network="dense", average_decay=0.995)

    def fill(network: keras.Model, value: float) -> None:
        network.set_weights(
            [np.full(weight.shape, value, np.float32) for weight in network.get_weights()]
        )

    def average() -> set[float]:
        return {
            round(float(entry), 5)
            for weight in model.average_generator.get_weights()
            for entry in weight.flat
        }

    fill(model.average_generator, 0.0)
    fill(model.generator, 1.0)
    model.average_weights(tf.constant(0))
    assert average() == {0.9}  # decay 1/10
    fill(model.generator, 2.0)
    model.average_weights(tf.constant(1))
    assert average() == {1.8}  # decay 2/11: 0.9 * 2/11 + 2 * 9/11
    model.average_weights(tf.constant(1_000_000))
    assert average() == {1.801}  # decay 0.995: 1.8 + 0.005 * 0.2


def test_average_starts_at_the_generator() -> None:
    model = tiny_model("gan", network="convolutional")
    for average, present in zip(
        model.average_generator.get_weights(), model.generator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(average, present)


def test_samples_use_the_moving_statistics() -> None:
    model = tiny_model("gan", network="convolutional")
    latents = model.draw_latents(6, 0)
    together = np.asarray(model.decode(latents))
    np.testing.assert_allclose(model.decode(latents[:1])[0], together[0], atol=1e-6)
    (moving, *_) = [
        variable for variable in model.average_generator.variables if "moving_mean" in variable.path
    ]
    moving.assign(moving + 1.0)
    assert np.abs(np.asarray(model.decode(latents)) - together).max() > 1e-3


@pytest.fixture(scope="module")
def batch_gan() -> gan.GAN:
    return tiny_model(
        "gan", network="convolutional", discriminator_normalisation="batch", r1_weight=0.0
    )


def test_discriminator_sees_real_and_fake_images_apart(batch_gan: gan.GAN) -> None:
    images, weights = tf.constant(to_float(random_images(4))), batch_gan.get_weights()
    found = []
    for fakes in (tf.zeros((4, 8, 8, 1)), tf.ones((4, 8, 8, 1)), images):
        batch_gan.set_weights(weights)
        optimizer = batch_gan.make_optimizers()["discriminator"]
        found.append(batch_gan._update_discriminator(images, fakes, tf.constant(SEED), optimizer))
    real, fake = (
        [float(losses[name]) for losses in found] for name in ("real_logit", "fake_logit")
    )
    assert real == pytest.approx([real[0]] * 3, abs=1e-6)
    assert abs(fake[0] - fake[2]) > 1e-4
    assert fake[2] == pytest.approx(real[2], abs=1e-6)


def test_real_logits_depend_on_their_own_batch(batch_gan: gan.GAN) -> None:
    """Shows that the test above can fail: normalised with other images, the same image has another logit."""
    images = to_float(random_images(4))
    others = np.concatenate([images[:1], np.zeros((3, 8, 8, 1), np.float32)])
    first, second = (
        float(batch_gan.discriminator(batch, training=True)[0]) for batch in (images, others)
    )
    assert abs(first - second) > 1e-4


def test_every_discriminator_step_sees_images_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(
        "gan", network="dense", batch_size=2, discriminator_steps=3, r1_weight=0.3, r1_every_steps=3
    )
    seen, real_update = [], model._update_discriminator

    def remember(images: tf.Tensor, fakes: tf.Tensor, *rest: object) -> trunks.Losses:
        seen.append((np.asarray(images), np.asarray(fakes)))
        return real_update(images, fakes, *rest)

    monkeypatch.setattr(model, "_update_discriminator", remember)
    images = to_float(random_images(6))
    optimizers = model.make_optimizers()
    before = model.generator.get_weights()
    losses = model.update(tf.constant(images), tf.constant(SEED), optimizers)
    assert model.settings.images_per_step == 6
    np.testing.assert_array_equal(np.concatenate([real for real, _ in seen]), images)
    assert [len(fakes) for _, fakes in seen] == [2, 2, 2]
    assert len({fakes.tobytes() for _, fakes in seen}) == 3
    assert (
        int(optimizers["discriminator"].iterations),
        int(optimizers["generator"].iterations),
    ) == (3, 1)
    assert float(losses["penalty"]) > 0, (
        "the penalty of the first of three steps is a third of the mean"
    )
    assert any(
        (old != new).any() for old, new in zip(before, model.generator.get_weights(), strict=True)
    )


def test_generator_step_leaves_the_discriminator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("gan", network="dense")
    nothing = dict.fromkeys(
        ("discriminator_loss", "penalty", "real_logit", "fake_logit"), tf.constant(0.0)
    )
    monkeypatch.setattr(model, "_update_discriminator", lambda *rest: nothing)
    before = model.discriminator.get_weights()
    model.update(
        tf.constant(to_float(random_images(4))), tf.constant(SEED), model.make_optimizers()
    )
    for old, new in zip(before, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_discriminator_sees_all_images_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind is changed by a noise of its own, and the generator learns through the change."""
    names = ("colour", "translation", "cutout")
    model = tiny_model(
        "gan", network="dense", discriminator_steps=2, augmentations=names, r1_weight=0.0
    )
    given, changed, seen = [], [], []
    augment, discriminate = augmentation.augment, model._discriminate

    def remember(images: tf.Tensor, wanted: tuple[str, ...], seed: tf.Tensor) -> tf.Tensor:
        assert wanted == names
        given.append((np.asarray(images), tuple(np.asarray(seed))))
        changed.append(augment(images, wanted, seed))
        return changed[-1]

    monkeypatch.setattr(augmentation, "augment", remember)
    monkeypatch.setattr(
        model, "_discriminate", lambda images: seen.append(images) or discriminate(images)
    )
    images, before = to_float(random_images(8)), model.generator.get_weights()
    model.update(tf.constant(images), tf.constant(SEED), model.make_optimizers())
    fakes, real, last_fakes, last_real = range(4)
    assert len({seed for _, seed in given}) == 4
    np.testing.assert_array_equal(given[real][0], images[:4])
    np.testing.assert_array_equal(given[last_real][0], images[4:])
    expected = [changed[index] for index in (real, fakes, last_real, last_fakes, last_fakes)]
    for found, wanted in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert any(found is each for each in changed), "nothing else stands between"
    assert any(
        (old != new).any() for old, new in zip(before, model.generator.get_weights(), strict=True)
    )


def test_one_pass_gives_logits_and_penalty() -> None:
    model = tiny_model("gan", network="convolutional", r1_weight=0.2, r1_every_steps=3)
    images = tf.constant(to_float(random_images(4)))
    lazy, due = model._judge(images, tf.constant(1)), model._judge(images, tf.constant(3))
    np.testing.assert_allclose(lazy[0], model.discriminator(images), rtol=1e-5)
    np.testing.assert_allclose(due[0], lazy[0], rtol=1e-5)
    _, squares = gan.with_squared_gradients(model.discriminator, images)
    assert float(lazy[1]) == 0
    assert float(due[1]) == pytest.approx(0.1 * 3 * np.mean(squares), rel=1e-5)


@pytest.mark.parametrize(
    ("prior", "deviation", "bound"), [("normal", 1.0, math.inf), ("uniform", 3**-0.5, 1.0)]
)
def test_priors(prior: str, deviation: float, bound: float) -> None:
    model = tiny_model("gan", network="dense", prior=prior)
    for latents in (model.draw_latents(5000, 3), np.asarray(model._draw(5000, SEED))):
        assert latents.shape == (5000, 3)
        assert latents.mean() == pytest.approx(0, abs=0.05)
        assert latents.std() == pytest.approx(deviation, rel=0.03)
        assert np.abs(latents).max() <= bound


def test_kl_gradient_is_that_of_the_textbook() -> None:
    """mean and (variance - 1) / 2, at mean 1.5 and log-variance 0.3: 1.5 and (e^0.3 - 1) / 2."""
    mean, log_variance = tf.constant([[1.5]]), tf.constant([[0.3]])
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        kl = vae.kl_per_dimension(mean, log_variance)
    by_mean, by_log_variance = tape.gradient(kl, [mean, log_variance])
    np.testing.assert_allclose(by_mean, [[1.5]], rtol=1e-6)
    np.testing.assert_allclose(by_log_variance, [[0.1749294]], rtol=1e-6)
