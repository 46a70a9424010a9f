"""The VAE's formulas, against numbers that were worked out by hand or by another route."""

import math
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    as_grey_rows,
    assert_sums_have_two_terms,
    batch_of,
    floats_of,
    random_images,
    step_of,
    tiny_model,
    tiny_settings,
)
from scipy import integrate, special, stats

from genlab.imaging.arrays import to_float
from genlab.models import vae
from genlab.runtime.errors import InputError

TINY = {"latent_dim": 3, "widths": [5, 4], "filters": [2, 3]}
NUM_PARAMETERS = [  # by hand, of images (8, 8, 1) and (32, 32, 3): an autoencoder's and a head
    ({"network": "dense"}, (789 + 15, 33877 + 15)),
    ({"network": "convolutional"}, (379 + 15, 1949 + 15)),
]
LEARNS = {"network": "dense", "widths": [16, 16], "learning_rate": 0.01}

LN2, LN3 = math.log(2), math.log(3)
SEED = (3, 5)


# The terms


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
    kl = vae.kl_per_dimension(mean, log_variance)
    assert float(kl) == pytest.approx(expected, rel=1e-6, abs=1e-12)


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


def test_kl_gradient_is_that_of_the_textbook() -> None:
    """It is mean and (variance - 1) / 2; at log-variance 0.3: (e^0.3 - 1) / 2."""
    mean, log_variance = tf.constant([[1.5]]), tf.constant([[0.3]])
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        kl = vae.kl_per_dimension(mean, log_variance)
    by_mean, by_log_variance = tape.gradient(kl, [mean, log_variance])
    np.testing.assert_allclose(by_mean, [[1.5]], rtol=1e-6)
    np.testing.assert_allclose(by_log_variance, [[0.1749294]], rtol=1e-6)


def test_bernoulli_loss_is_minus_the_log_probability() -> None:
    images = as_grey_rows([1.0, 0.0], [0.25, 1.0], [0.3, 0.9])
    logits = as_grey_rows([LN3, LN3], [-LN3, 0.0], [0.0, 0.0])
    second = -0.25 * math.log(0.25) - 0.75 * math.log(0.75) + LN2
    expected = [-math.log(0.75) - math.log(0.25), second, 2 * LN2]
    np.testing.assert_allclose(vae.bernoulli_loss(images, logits), expected, rtol=1e-6)


def test_draws_are_from_the_posterior() -> None:
    mean, log_variance = tf.constant([[-1.0], [3.0]]), tf.constant([[math.log(4)], [0.0]])
    latents = np.asarray(vae.draw(mean, log_variance, 20000, SEED).latents)[..., 0]
    np.testing.assert_allclose(latents.mean(axis=1), [-1, 3], atol=0.06)  # four standard errors
    np.testing.assert_allclose(latents.std(axis=1), [2, 1], atol=0.04)
    one = vae.draw(mean, log_variance, 1, SEED).latents[:, 0]
    np.testing.assert_array_equal(one, vae.reparameterise(mean, log_variance, SEED))
    assert not np.array_equal(one, vae.reparameterise(mean, log_variance, (3, 6)))


def test_ratio_of_prior_and_posterior_at_the_draws() -> None:
    mean, log_variance = np.array([[0.5, -1.0], [0.0, 2.0]]), np.array([[0.0, -1.0], [1.0, 0.3]])
    draws = vae.draw(tf.constant(mean, tf.float32), tf.constant(log_variance, tf.float32), 4, SEED)
    latents = np.asarray(draws.latents, np.float64)
    assert latents.shape == (2, 4, 2)
    posterior = stats.norm(mean[:, None], np.exp(log_variance / 2)[:, None])
    expected = (stats.norm.logpdf(latents) - posterior.logpdf(latents)).sum(axis=2)
    np.testing.assert_allclose(draws.log_ratios, expected, rtol=1e-5, atol=1e-5)


def test_elbo_by_hand() -> None:
    """The encoder says mean (1, 0) and variance (1, 4), the decoder always 1/2."""
    mean, log_variance = tf.constant([[1.0, 0.0]]), tf.constant([[0.0, math.log(4)]])
    model: Any = SimpleNamespace(
        posterior=lambda images: (mean, log_variance),
        decoder=lambda latents: tf.zeros((1, 1, 2, 1)),
    )
    reconstruction_losses, kls = vae.VAE.elbo_terms(model, as_grey_rows([0.3, 0.9]), SEED)
    np.testing.assert_allclose(reconstruction_losses, [2 * LN2], rtol=1e-6)
    np.testing.assert_allclose(kls, [[0.5, 1.5 - LN2]], rtol=1e-6)


def test_free_bits_by_hand() -> None:
    """Batch means 0.2 and 3: the first counts 0.5 and is not pushed any further."""
    kls = tf.constant([[0.1, 2.0], [0.3, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(kls)
        counted = vae.free_kl(kls, 0.5)
    assert float(counted) == pytest.approx(0.5 + 3)
    np.testing.assert_allclose(tape.gradient(counted, kls), [[0, 0.5], [0, 0.5]])
    assert float(vae.free_kl(kls, 0.0)) == pytest.approx(0.2 + 3)


def test_importance_weighted_loss_by_hand() -> None:
    """Mean weights (1 + 3) / 2 and (2 + 2) / 2 times e^-100, which float32 cannot hold.

    The gradient is equation 14 of Burda et al.
    """
    log_weights = tf.constant([[0.0, LN3], [LN2 - 100, LN2 - 100]])
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        loss = vae.importance_weighted_loss(log_weights)
    assert float(loss) == pytest.approx((-LN2 + 100 - LN2) / 2, rel=1e-6)
    gradient = tape.gradient(loss, log_weights)
    np.testing.assert_allclose(gradient, [[-1 / 8, -3 / 8], [-1 / 4, -1 / 4]], rtol=1e-5)


# The losses


@pytest.mark.parametrize(
    ("changes", "weighted"),
    [
        ({"reconstruction_weight": 0.5, "kl_weight": 4.0}, lambda loss, kl: 0.5 * loss + 4 * kl),
        ({"kl_weight": 2.0, "free_bits": 100.0}, lambda loss, kl: loss + 2 * 3 * 100),
    ],
)
def test_weights_and_free_bits_count_in_the_loss_but_never_in_the_bound(
    changes: dict[str, float], weighted: Any
) -> None:
    model = tiny_model("vae", network="dense", **changes)
    losses = floats_of(model.compute_losses(batch_of(model, 4), SEED))
    terms = losses["reconstruction_loss"], losses["kl"]
    assert 1e-4 < losses["kl"] < 100
    assert losses["loss"] == pytest.approx(weighted(*terms), rel=1e-6)
    assert losses["negative_elbo"] == pytest.approx(sum(terms), rel=1e-6)


@pytest.mark.parametrize(("warmup_steps", "weights"), [(0, [4, 4, 4, 4]), (2, [0, 2, 4, 4])])
def test_kl_is_warmed_up_in_training_alone(warmup_steps: int, weights: list[float]) -> None:
    model = tiny_model("vae", network="dense", kl_weight=4.0, kl_warmup_steps=warmup_steps)
    batch, optimizers = batch_of(model, 4), model.make_optimizers()
    for number, weight in enumerate(weights):
        validated = floats_of(model.compute_losses(batch, SEED))
        trained = floats_of(model.update(batch, step_of(SEED, number), optimizers))
        for losses, expected in ((trained, weight), (validated, 4.0)):
            by_hand = losses["reconstruction_loss"] + expected * losses["kl"]
            assert losses.pop("loss") == pytest.approx(by_hand, rel=1e-6)
        assert trained == validated


@pytest.mark.parametrize("num_draws", [1, 3])
def test_losses_of_several_draws(num_draws: int) -> None:
    """A loop over the draws: the ELBO takes the mean, the other bound the log of mean weights."""
    images, found = to_float(random_images(4)), {}
    for objective in ("elbo", "importance_weighted"):
        changes = {"objective": objective, "num_importance_samples": num_draws}
        model = tiny_model("vae", network="dense", **changes)
        found[objective] = floats_of(model.compute_losses({"images": images}, SEED))
    draws = vae.draw(*model.posterior(images), num_draws, SEED)
    losses_of_draws = [
        vae.bernoulli_loss(images, model.decoder(draws.latents[:, index]))
        for index in range(num_draws)
    ]
    reconstruction_losses = np.stack(losses_of_draws, axis=1).astype(np.float64)
    reconstruction_loss = reconstruction_losses.mean()
    kl = np.asarray(vae.kl_per_dimension(*model.posterior(images)), np.float64).sum(axis=1).mean()
    log_weights = np.asarray(draws.log_ratios, np.float64) - reconstruction_losses
    weighted = -special.logsumexp(log_weights, axis=1, b=1 / num_draws).mean()
    elbo = {"reconstruction_loss": reconstruction_loss, "kl": kl}
    elbo["negative_elbo"] = reconstruction_loss + kl
    expected = {"elbo": elbo["negative_elbo"], "importance_weighted": weighted}
    for objective, losses in found.items():
        assert losses == pytest.approx(elbo | {"loss": expected[objective]}, rel=1e-4)
    if num_draws == 1:  # the KL at the draw
        assert found["importance_weighted"]["loss"] == pytest.approx(-log_weights.mean(), rel=1e-5)


def test_diagnostics_by_hand() -> None:
    """The variances of the means are 0.04 and 0.0025: only the first unit is active."""
    mean = tf.constant([[0.0, 0.0], [0.4, 0.1]])
    model: Any = SimpleNamespace(
        posterior=lambda images: (mean, tf.zeros((2, 2))), settings=SimpleNamespace(latent_dim=2)
    )
    diagnostics = floats_of(vae.VAE.diagnostics(model, {"images": None}))
    expected = {"kl_of_dimension_0": 0.04, "kl_of_dimension_1": 0.0025, "active_units": 1}
    assert diagnostics == pytest.approx(expected)


def test_kl_down_to_rounding_is_possible() -> None:
    model = tiny_model("vae")
    for kl in (0.0, -9e-4, 3.0):
        model.check_losses({"kl": kl})
    for kl in (-1.1e-3, math.nan):
        with pytest.raises(FloatingPointError, match=r"kl must be at least -0.001 nats per image"):
            model.check_losses({"kl": kl})


@pytest.mark.parametrize("objective", ["elbo", "importance_weighted"])
def test_gradients_of_several_draws_do_not_depend_on_the_load(objective: str) -> None:
    changes = {"objective": objective, "num_importance_samples": 3, "activation": "tanh"}
    assert_sums_have_two_terms(tiny_model("vae", network="dense", **changes))


# Settings and networks


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
    with pytest.raises(InputError) as caught:
        tiny_settings("vae", objective="importance_weighted", **{name: value})
    assert f"{name} must be {neutral} with objective: importance_weighted" in caught.value.expected
    assert caught.value.received == f"{name}={value}"


def test_convolutions_have_no_other_activation() -> None:
    with pytest.raises(InputError) as caught:
        tiny_settings("vae", network="convolutional", activation="tanh")
    assert caught.value.expected == "activation must be relu with network: convolutional"


def test_units_of_burda_et_al() -> None:
    """784-200-200-50 and back, tanh: the parameters counted by hand."""
    sizes = {"widths": [200, 200], "latent_dim": 50, "activation": "tanh"}
    model = tiny_model("vae", (28, 28, 1), network="dense", **sizes)
    encoder = 784 * 200 + 200 + 200 * 200 + 200 + 2 * (200 * 50 + 50)
    decoder = 50 * 200 + 200 + 200 * 200 + 200 + 200 * 784 + 784
    assert model.count_params() == encoder + decoder == 425_284
    layers = [layer for network in (model.encoder, model.decoder) for layer in network.layers]
    activations = [layer.activation for layer in layers if "dense" in layer.name]
    assert activations == [keras.activations.tanh] * 4 + [keras.activations.linear]


def test_mean_and_log_variance_have_no_activation() -> None:
    encoder = tiny_model("vae", network="dense").encoder
    heads = [encoder.get_layer(name) for name in ("mean", "log_variance")]
    assert [head.activation for head in heads] == [keras.activations.linear] * 2
    assert heads[0].input is heads[1].input, "the trunk is shared"
