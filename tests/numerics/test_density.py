"""The Gaussian mixture that is fitted to latents."""

from pathlib import Path

import numpy as np
import pytest

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
    for chosen, index in ((left, 0), (~left, 1)):
        np.testing.assert_allclose(latents[chosen].mean(axis=0), TWO.means[index], atol=0.1)
        np.testing.assert_allclose(
            np.cov(latents[chosen], rowvar=False), TWO.covariances[index], atol=0.25
        )


def test_same_seed_same_draws_and_the_first_do_not_depend_on_the_number() -> None:
    latents = TWO.draw_latents(1000, seed=4)
    np.testing.assert_array_equal(TWO.draw_latents(7, seed=4), latents[:7])
    assert not np.array_equal(TWO.draw_latents(7, seed=5), latents[:7])


def test_written_and_read_mixture_is_equal_and_byte_stable(tmp_path: Path) -> None:
    for name in ("first.npz", "second.npz"):
        TWO.write(tmp_path / name)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    read = GaussianMixture.read(tmp_path / "first.npz")
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(read, name), getattr(TWO, name))


def test_fit_finds_the_mixture_that_was_drawn_from() -> None:
    found = density.fit(TWO.draw_latents(5000, seed=1), num_components=2, seed=0)
    order = np.argsort(found.weights)
    np.testing.assert_allclose(found.weights[order], TWO.weights, atol=0.02)
    np.testing.assert_allclose(found.means[order], TWO.means, atol=0.15)
    np.testing.assert_allclose(found.covariances[order], TWO.covariances, atol=0.5)


def test_one_component_has_the_moments_of_the_latents() -> None:
    latents = TWO.draw_latents(300, seed=2)
    found = density.fit(latents, num_components=1, seed=0)
    np.testing.assert_allclose(found.means[0], latents.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.covariances[0], np.cov(latents.T, bias=True), rtol=1e-4)


@pytest.mark.parametrize(("num_latents", "components"), [(5, 1), (10, 1), (35, 3), (300, 4)])
def test_few_latents_get_few_components(num_latents: int, components: int) -> None:
    latents = np.random.default_rng(0).normal(size=(num_latents, 2))
    assert len(density.fit(latents, num_components=4, seed=0).weights) == components


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_any_scale_can_be_fitted(scale: float) -> None:
    latents = (
        np.random.default_rng(0).normal(size=(2000, 3)) * scale * [1, 1, 0]
    )  # the last dimension has collapsed
    drawn = density.fit(latents.astype(np.float32), num_components=3, seed=0).draw_latents(
        2000, seed=0
    )
    np.testing.assert_allclose(drawn.std(axis=0) / scale, [1, 1, 0], atol=0.1)


def test_collapsed_latents_can_be_fitted() -> None:
    drawn = density.fit(np.full((50, 2), 3, np.float32), num_components=4, seed=0).draw_latents(
        10, seed=0
    )
    np.testing.assert_allclose(drawn, 3, atol=0.01)
