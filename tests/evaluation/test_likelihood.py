"""Likelihoods on models whose likelihood is known; the terms of the bound."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images, tiny_model
from scipy import special, stats

from genlab.contract.evidence import Unavailable
from genlab.evaluation import evidence_bound as bound
from genlab.evaluation import likelihood
from genlab.imaging import binarisation
from genlab.imaging.arrays import to_float
from genlab.metrics import negative_elbo
from genlab.models import vae
from genlab.trained.model import TrainedModel

SHAPE = (8, 8, 1)


def trained(kind: str, binarise: str = "none") -> TrainedModel:
    model = tiny_model(kind, SHAPE, network="dense")
    facts = {"name": kind, "kind": kind, "image_shape": list(SHAPE), "binarisation": binarise}
    return TrainedModel(model, facts, None)


# Linear Gaussian: images = latents @ weights.T + offset + noise, so that p(images) is a Gaussian


class LinearGaussian:
    """Probabilistic PCA (Tipping and Bishop 1999) as a VAE: the rest is the VAE's own code."""

    likelihood_mean = "probabilities"

    def __init__(self, weights: np.ndarray, offset: np.ndarray, spread: float):
        self.weights, self.offset, self.variance = weights, offset, 0.3
        precision = np.eye(weights.shape[1]) + weights.T @ weights / self.variance
        self.gain = np.linalg.solve(precision, weights.T) / self.variance
        self.posterior_variance = spread * np.diag(np.linalg.inv(precision))

    def posterior(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the exact posterior where the weights are orthogonal and `spread` is 1."""
        rows = tf.cast(tf.reshape(images, (-1, len(self.offset))), tf.float64)
        mean = tf.cast((rows - tf.constant(self.offset)) @ tf.constant(self.gain.T), tf.float32)
        return mean, tf.ones_like(mean) * tf.constant(np.log(self.posterior_variance), tf.float32)

    def reconstruction_losses(self, images: tf.Tensor, latents: tf.Tensor) -> tf.Tensor:
        rows = tf.reshape(images, (-1, 1, len(self.offset))) - tf.constant(self.offset, tf.float32)
        means = tf.einsum("nkd,pd->nkp", latents, tf.constant(self.weights, tf.float32))
        norm = 0.5 * len(self.offset) * np.log(2 * np.pi * self.variance)
        return norm + 0.5 * tf.reduce_sum(tf.square(rows - means), axis=2) / self.variance

    def log_likelihoods(self, images: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        own: Any = self
        return vae.VAE.log_likelihoods(own, images, num_samples, seed)

    def exact(self, images: np.ndarray) -> np.ndarray:
        """Returns log p(images), (n,)."""
        covariance = self.weights @ self.weights.T + self.variance * np.eye(len(self.offset))
        density = stats.multivariate_normal(self.offset, covariance)
        return density.logpdf(images.reshape(len(images), -1))


def linear(orthogonal: bool, spread: float = 1.0) -> tuple[LinearGaussian, np.ndarray]:
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(6, 2))
    weights = np.linalg.qr(weights)[0] * [1.5, 0.7] if orthogonal else weights
    model = LinearGaussian(weights, generator.normal(size=6), spread)
    latents, noise = generator.normal(size=(23, 2)), generator.normal(size=(23, 6))
    images = latents @ weights.T + model.offset + np.sqrt(model.variance) * noise
    return model, images.astype(np.float32).reshape(23, 2, 3, 1)


@pytest.mark.parametrize("num_samples", [1, 130])
def test_exact_posterior_gives_the_likelihood_with_any_number_of_samples(num_samples: int) -> None:
    """Every weight is p(images) then: the estimate has no variance."""
    model, images = linear(orthogonal=True)
    estimates = likelihood.estimate(model, images, num_samples, seed=1)
    np.testing.assert_allclose(estimates, model.exact(images), rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize(("orthogonal", "spread"), [(True, 1.7), (False, 1.3)])
def test_other_posterior_gives_the_likelihood_with_many_samples(
    orthogonal: bool, spread: float
) -> None:
    model, images = linear(orthogonal, spread)
    exact = model.exact(images)
    few, many = (likelihood.estimate(model, images, number, seed=1) for number in (1, 20000))
    np.testing.assert_allclose(many, exact, atol=0.05)
    assert np.abs(many - exact).mean() < 0.1 * np.abs(few - exact).mean()


def test_likelihood_of_a_vae_by_quadrature() -> None:
    """One latent dimension and a real decoder: the integral over the prior is a sum on a grid."""
    model = tiny_model("vae", SHAPE, network="dense", latent_dim=1, activation="tanh")
    for layer in model.decoder.layers:
        layer.set_weights([3 * weight for weight in layer.get_weights()])  # latents shall matter
    images = to_float(binarisation.fixed(random_images(3)))
    grid = np.linspace(-8, 8, 4001)
    logits = model.decoder(grid[:, None].astype(np.float32))
    losses = [np.asarray(vae.bernoulli_loss(image[None], logits), np.float64) for image in images]
    log_joint = stats.norm.logpdf(grid) - losses
    expected = special.logsumexp(log_joint, axis=1) + np.log(grid[1] - grid[0])
    assert np.std(log_joint[0]) > 10
    estimates = likelihood.estimate(model, images, 20000, seed=2)
    np.testing.assert_allclose(estimates, expected, atol=0.05)


# Blocks


class Counting:
    """Estimates that float32 cannot hold as probabilities: logs of 1, 2, 3, ... times e^-1000."""

    def __init__(self, likelihood_mean: str):
        self.likelihood_mean = likelihood_mean
        self.numbers: list[int] = []

    def log_likelihoods(self, images: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        self.numbers.append(num_samples)
        counts = tf.cast(seed[1] + tf.range(1, num_samples + 1), tf.float32)
        return tf.math.log(counts) - 1000 - images[:, 0, 0, :1]


@pytest.mark.parametrize(
    ("mean", "expected"),
    [("probabilities", np.log(251 / 2)), ("logarithms", special.gammaln(251) / 250)],
)
def test_estimates_are_averaged_over_blocks_of_samples(mean: Any, expected: float) -> None:
    """Of 250 samples: the last block has fewer; the mean of 1, ..., n and of their logs."""
    model = Counting(mean)
    images = np.array([0.0, 5.0], np.float32).reshape(2, 1, 1, 1)
    estimates = likelihood.estimate(model, images, 250, seed=0)
    np.testing.assert_allclose(estimates, np.array([-1000, -1005]) + expected, rtol=1e-6)
    assert sorted(model.numbers) == [50, 100], "compiled twice, whatever the number of blocks"


def test_first_values_do_not_depend_on_the_number_of_images() -> None:
    model, images = tiny_model("vae", SHAPE, network="dense"), to_float(random_images(45))
    many = likelihood.estimate(model, images, 7, seed=3)
    assert (many.shape, many.dtype) == ((45,), np.float64)
    for number in (1, 21):
        few = likelihood.estimate(model, images[:number], 7, seed=3)
        np.testing.assert_array_equal(few, many[:number])
    assert not np.array_equal(likelihood.estimate(model, images, 7, seed=4), many)


def test_more_samples_give_a_higher_bound() -> None:
    model = tiny_model("vae", SHAPE, network="dense")
    images = to_float(binarisation.fixed(random_images(20)))
    few, many = (likelihood.estimate(model, images, number, 3).mean() for number in (1, 50))
    assert many > few


# The bound


def test_terms_of_the_bound_are_those_of_the_images_as_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bound, "BATCH_SIZE", 4)
    model, pictures = trained("vae", "dynamic"), random_images(6)
    terms = bound.evidence_bound(model, pictures, seed=3)
    seen = to_float(binarisation.fixed(pictures))
    parts = [model.model.elbo_terms(seen[start : start + 4], (3, start)) for start in (0, 4)]
    losses, kls = (np.concatenate(part) for part in zip(*parts, strict=True))
    np.testing.assert_allclose(terms.reconstruction_losses, losses, rtol=1e-5)
    np.testing.assert_allclose(terms.kls, kls, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(terms.means, model.model.encode(seen), atol=1e-6)
    assert terms.entropies.tolist() == [0] * 6, "black and white is certain"


class Exact:
    """A decoder that is exactly right, with a posterior that is the prior."""

    def posterior(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (tf.zeros((tf.shape(images)[0], 2)),) * 2

    def draw_posterior(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self.posterior(images)[0]

    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = tf.math.log(images) - tf.math.log1p(-images)
        return vae.bernoulli_loss(images, logits), self.posterior(images)[0]

    latent_dim = 2

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        return self.posterior(images)[0]

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError


def test_bound_of_an_exact_decoder_is_the_entropy_of_the_grey_values() -> None:
    """Against SciPy's Bernoulli distribution."""
    facts = {"name": "exact", "kind": "exact", "image_shape": list(SHAPE)}
    pictures = random_images(5).clip(1, 254)
    terms = bound.evidence_bound(TrainedModel(Exact(), facts, None), pictures, seed=0)
    expected = stats.bernoulli(to_float(pictures)).entropy().sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms.entropies, expected, rtol=1e-5)
    values = negative_elbo.compute(terms)
    np.testing.assert_allclose(values["negative_elbo"], expected, rtol=1e-5)
    np.testing.assert_allclose(values["negative_elbo_above_entropy"], 0, atol=1e-3)


@pytest.mark.parametrize("kind", ["autoencoder", "gan"])
def test_model_without_a_posterior_has_no_bound(kind: str) -> None:
    with pytest.raises(Unavailable, match=f"^{kind} has no posterior$"):
        bound.evidence_bound(trained(kind), random_images(2), seed=0)


def test_likelihood_of_black_and_white_images_is_normalised_and_says_so() -> None:
    assert bound.bernoulli("dynamic") == "bernoulli on fixed draws of black and white"
    assert bound.bernoulli("none") == "bernoulli on grey values"
