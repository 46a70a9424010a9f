"""The Gaussian mixture that is fitted to latents."""

from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from genlab.numerics import density
from genlab.numerics.density import GaussianMixture

TWO = GaussianMixture(
    np.array([0.25, 0.75]),
    np.array([[-10.0, 0.0], [10.0, 5.0]]),
    np.array([[[1.0, 0.0], [0.0, 1.0]], [[4.0, 3.0], [3.0, 9.0]]]),
)


def test_draws_have_the_moments_of_each_component() -> None:
    latents = TWO.draw_latents(40000, seed=0)
    assert (latents.shape, latents.dtype) == ((40000, 2), np.float32)
    left = latents[:, 0] < 0
    assert left.mean() == pytest.approx(0.25, abs=0.01)
    for part, mean, covariance in zip((left, ~left), TWO.means, TWO.covariances, strict=True):
        np.testing.assert_allclose(latents[part].mean(axis=0), mean, atol=0.1)
        np.testing.assert_allclose(np.cov(latents[part], rowvar=False), covariance, atol=0.25)


def test_same_seed_same_draws_and_the_first_do_not_depend_on_the_number() -> None:
    latents = TWO.draw_latents(1000, seed=4)
    np.testing.assert_array_equal(TWO.draw_latents(7, seed=4), latents[:7])
    assert not np.array_equal(TWO.draw_latents(7, seed=5), latents[:7])


def test_written_and_read_mixture_is_equal_and_byte_stable(tmp_path: Path) -> None:
    paths = tmp_path / "first.npz", tmp_path / "second.npz"
    for path in paths:
        TWO.write(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    for name, array in vars(GaussianMixture.read(paths[0])).items():
        np.testing.assert_array_equal(array, getattr(TWO, name))


def test_fit_finds_the_mixture_that_was_drawn_from() -> None:
    mixture = density.fit(TWO.draw_latents(5000, seed=1), num_components=2, seed=0)
    order = np.argsort(mixture.weights)
    np.testing.assert_allclose(mixture.weights[order], TWO.weights, atol=0.02)
    np.testing.assert_allclose(mixture.means[order], TWO.means, atol=0.15)
    np.testing.assert_allclose(mixture.covariances[order], TWO.covariances, atol=0.5)


@pytest.mark.parametrize(("num_latents", "components"), [(5, 1), (10, 1), (35, 3), (300, 4)])
def test_few_latents_get_few_components(num_latents: int, components: int) -> None:
    latents = np.random.default_rng(0).normal(size=(num_latents, 2))
    assert len(density.fit(latents, num_components=4, seed=0).weights) == components


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_any_scale_can_be_fitted(scale: float) -> None:
    """The last dimension has collapsed."""
    latents = np.random.default_rng(0).normal(size=(2000, 3)) * scale * [1, 1, 0]
    mixture = density.fit(latents.astype(np.float32), num_components=3, seed=0)
    deviations = mixture.draw_latents(2000, seed=0).std(axis=0)
    np.testing.assert_allclose(deviations / scale, [1, 1, 0], atol=0.1)


def test_collapsed_latents_can_be_fitted() -> None:
    mixture = density.fit(np.full((50, 2), 3, np.float32), num_components=4, seed=0)
    np.testing.assert_allclose(mixture.draw_latents(10, seed=0), 3, atol=0.01)


def test_fit_does_not_depend_on_the_number_of_threads() -> None:
    latents = np.random.default_rng(0).normal(size=(3000, 20)) ** 3
    fitted = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            fitted.append(density.fit(latents, 10, seed=1))
    for one, other in zip(*(vars(mixture).values() for mixture in fitted), strict=True):
        np.testing.assert_array_equal(one, other)
