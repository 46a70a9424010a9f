"""Likelihoods by importance sampling, on models whose likelihood is known; the terms of the bound."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images, tiny_model
from scipy import special, stats

from genlab.evaluation import evidence_bound as bound
from genlab.evaluation import likelihood
from genlab.imaging import binarisation
from genlab.imaging.arrays import to_float
from genlab.measurement.evidence import Unavailable
from genlab.models import vae
from genlab.settings.params import Likelihood
from genlab.trained.model import TrainedModel

SHAPE = (8, 8, 1)


def settings(num_images: int = 100, num_samples: int = 7) -> Likelihood:
    return Likelihood(num_images=num_images, num_samples=num_samples)


def trained(kind: str, binarise: str = "none", **changes: Any) -> TrainedModel:
    model = tiny_model(kind, SHAPE, network="dense", **changes)
    facts = {
        "kind": kind,
        "image_shape": list(SHAPE),
        "binarisation": binarise,
        "settings": {"latent_dim": 3},
    }
    return TrainedModel(model, facts, None)


# Linear Gaussian: images = latents @ weights.T + offset + noise, so that p(images) is a Gaussian


class LinearGaussian:
    """Probabilistic PCA (Tipping and Bishop 1999) as a VAE: everything but the likelihood is the VAE's own code."""

    def __init__(
        self, weights: np.ndarray, offset: np.ndarray, variance: float, spread: float = 1.0
    ):
        self.weights, self.offset, self.variance = weights, offset, variance
        precision = np.eye(weights.shape[1]) + weights.T @ weights / variance
        self.gain = np.linalg.solve(precision, weights.T) / variance
        self.posterior_variance = spread * np.diag(np.linalg.inv(precision))

    def posterior(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the exact posterior where the weights' columns are orthogonal and `spread` is 1."""
        rows = tf.cast(tf.reshape(images, (-1, len(self.offset))), tf.float64)
        mean = tf.cast((rows - tf.constant(self.offset)) @ tf.constant(self.gain.T), tf.float32)
        return mean, tf.ones_like(mean) * tf.constant(np.log(self.posterior_variance), tf.float32)

    def reconstruction_losses(self, images: tf.Tensor, latents: tf.Tensor) -> tf.Tensor:
        rows = tf.reshape(images, (-1, 1, len(self.offset))) - tf.constant(self.offset, tf.float32)
        means = tf.einsum("nkd,pd->nkp", latents, tf.constant(self.weights, tf.float32))
        norm = 0.5 * len(self.offset) * np.log(2 * np.pi * self.variance)
        return norm + 0.5 * tf.reduce_sum(tf.square(rows - means), axis=2) / self.variance

    def log_importance_weights(
        self, images: tf.Tensor, num_samples: int, seed: tf.Tensor
    ) -> tf.Tensor:
        own: Any = self
        return vae.VAE.log_importance_weights(own, images, num_samples, seed)

    def exact(self, images: np.ndarray) -> np.ndarray:
        """Returns log p(images), (n,)."""
        covariance = self.weights @ self.weights.T + self.variance * np.eye(len(self.offset))
        return stats.multivariate_normal(self.offset, covariance).logpdf(
            images.reshape(len(images), -1)
        )


def linear(orthogonal: bool, spread: float = 1.0) -> tuple[LinearGaussian, np.ndarray]:
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(6, 2))
    weights = np.linalg.qr(weights)[0] * [1.5, 0.7] if orthogonal else weights
    model = LinearGaussian(weights, generator.normal(size=6), 0.3, spread)
    latents, noise = generator.normal(size=(23, 2)), generator.normal(size=(23, 6))
    return model, (latents @ weights.T + model.offset + np.sqrt(0.3) * noise).astype(
        np.float32
    ).reshape(23, 2, 3, 1)


@pytest.mark.parametrize("num_samples", [1, 130])
def test_exact_posterior_gives_the_likelihood_with_any_number_of_samples(num_samples: int) -> None:
    """Every weight is p(images) then: the estimate has no variance."""
    model, images = linear(orthogonal=True)
    found = likelihood.estimate(model.log_importance_weights, images, num_samples, seed=1)
    np.testing.assert_allclose(found, model.exact(images), rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize(("orthogonal", "spread"), [(True, 1.7), (False, 1.3)])
def test_other_posterior_gives_the_likelihood_with_many_samples(
    orthogonal: bool, spread: float
) -> None:
    model, images = linear(orthogonal, spread)
    exact = model.exact(images)
    few, many = (
        likelihood.estimate(model.log_importance_weights, images, number, seed=1)
        for number in (1, 20000)
    )
    np.testing.assert_allclose(many, exact, atol=0.05)
    assert np.abs(many - exact).mean() < 0.1 * np.abs(few - exact).mean()


def test_likelihood_of_a_vae_by_quadrature() -> None:
    """One latent dimension and a real decoder: the integral over the prior is a sum over a fine grid."""
    model = tiny_model("vae", SHAPE, network="dense", latent_dim=1, activation="tanh")
    for layer in model.decoder.layers:
        layer.set_weights([3 * weight for weight in layer.get_weights()])  # latents shall matter
    images = to_float(binarisation.fixed(random_images(3)))
    grid = np.linspace(-8, 8, 4001)
    logits = model.decoder(grid[:, None].astype(np.float32))
    log_joint = [
        -np.asarray(vae.bernoulli_loss(image[None], logits), np.float64) + stats.norm.logpdf(grid)
        for image in images
    ]
    expected = special.logsumexp(log_joint, axis=1) + np.log(grid[1] - grid[0])
    assert np.std(log_joint[0]) > 10
    found = likelihood.estimate(model.log_importance_weights, images, 20000, seed=2)
    np.testing.assert_allclose(found, expected, atol=0.05)


# Blocks


def test_weights_are_summed_over_blocks_of_samples() -> None:
    """Weights that float32 cannot hold, of which the last block has fewer."""
    asked = []

    def log_weights(images: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        asked.append(num_samples)
        return (
            -1000
            - images[:, 0, 0, :1]
            + tf.math.log(tf.cast(seed[1] + tf.range(1, num_samples + 1), tf.float32))
        )

    images = np.array([0.0, 5.0], np.float32).reshape(2, 1, 1, 1)
    found = likelihood.estimate(log_weights, images, 250, seed=0)
    np.testing.assert_allclose(
        found, np.array([-1000, -1005]) + np.log(251 / 2), rtol=1e-6
    )  # of 1, 2, ..., 250
    assert sorted(asked) == [50, 100], "compiled twice, whatever the number of blocks"


def test_first_values_do_not_depend_on_the_number_of_images() -> None:
    model = trained("vae")
    pictures = random_images(45)
    many = likelihood.importance_weights(model, pictures, settings(), seed=3).log_likelihoods
    assert (many.shape, many.dtype) == ((45,), np.float64)
    for number in (1, 21):
        few = likelihood.importance_weights(
            model, pictures, settings(num_images=number), seed=3
        ).log_likelihoods
        np.testing.assert_array_equal(few, many[:number])
    other = likelihood.importance_weights(model, pictures, settings(), seed=4).log_likelihoods
    assert not np.array_equal(other, many)


def test_images_are_those_that_the_model_sees() -> None:
    model, pictures = trained("vae", "dynamic"), random_images(4)
    found = likelihood.importance_weights(model, pictures, settings(), seed=3).log_likelihoods
    black_and_white = to_float(binarisation.fixed(pictures))
    expected = likelihood.estimate(model.model.log_importance_weights, black_and_white, 7, seed=3)
    np.testing.assert_array_equal(found, expected)
    assert bound.likelihood_of(model) == "bernoulli on fixed draws of black and white"
    assert bound.likelihood_of(trained("vae")) == "bernoulli on grey values"


def test_more_samples_give_a_higher_bound() -> None:
    model, pictures = trained("vae"), binarisation.fixed(random_images(20))
    means = [
        likelihood.importance_weights(
            model, pictures, settings(num_samples=number), seed=3
        ).log_likelihoods.mean()
        for number in (1, 50)
    ]
    assert means[1] > means[0]


@pytest.mark.parametrize("kind", ["autoencoder", "gan"])
def test_model_without_a_posterior_has_no_likelihood(kind: str) -> None:
    with pytest.raises(Unavailable, match=f"^{kind} has no posterior$"):
        likelihood.importance_weights(trained(kind), random_images(2), settings(), seed=0)
    with pytest.raises(Unavailable, match=f"^{kind} has no posterior$"):
        bound.evidence_bound(trained(kind), random_images(2), seed=0)


# The bound


def test_terms_of_the_bound_are_those_of_the_images_as_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bound, "BATCH_SIZE", 4)
    model, pictures = trained("vae", "dynamic"), random_images(6)
    found = bound.evidence_bound(model, pictures, seed=3)
    seen = to_float(binarisation.fixed(pictures))
    terms = [model.model.elbo_terms(seen[start : start + 4], (3, start)) for start in (0, 4)]
    np.testing.assert_allclose(
        found.reconstruction_losses, np.concatenate([part[0] for part in terms]), rtol=1e-5
    )
    np.testing.assert_allclose(
        found.kls, np.concatenate([part[1] for part in terms]), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(found.means, model.model.encode(seen), atol=1e-6)


def test_bound_of_a_known_model() -> None:
    class Constant:
        def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.reduce_sum(images, axis=(1, 2, 3)), tf.ones((tf.shape(images)[0], 2)) * [
                0.5,
                1.0,
            ]

        def encode(self, images: tf.Tensor) -> tf.Tensor:
            return images[:, 0, 0]

    facts = {"kind": "constant", "image_shape": list(SHAPE)}
    pictures = random_images(3)
    found = bound.evidence_bound(TrainedModel(Constant(), facts, None), pictures, seed=0)
    np.testing.assert_allclose(
        found.reconstruction_losses, (pictures / 255.0).sum(axis=(1, 2, 3)), rtol=1e-5
    )
    np.testing.assert_array_equal(found.kls, [[0.5, 1.0]] * 3)
    np.testing.assert_allclose(found.means, pictures[:, 0, 0] / 255.0, rtol=1e-6)
