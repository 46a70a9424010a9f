"""Paths between latents."""

import numpy as np
import pytest

from genlab.numerics import interpolation


def test_a_straight_path_has_equal_steps() -> None:
    path = interpolation.linear([0.0, 4.0], [2.0, 0.0], 5)
    np.testing.assert_allclose(path, [[0, 4], [0.5, 3], [1, 2], [1.5, 1], [2, 0]])
    assert path.dtype == np.float32


def test_an_arc_keeps_the_length_and_has_equal_angles() -> None:
    path = interpolation.spherical([2.0, 0.0], [0.0, 2.0], 4)
    angles = np.radians([0, 30, 60, 90])
    expected = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(path, expected, atol=1e-6)


def test_an_arc_ends_at_both_latents_of_whatever_length() -> None:
    first, last = np.random.default_rng(0).normal(size=(2, 20)) * [[1.0], [3.0]]
    path = interpolation.spherical(first, last, 7)
    np.testing.assert_allclose(path[[0, -1]], [first, last], rtol=1e-6)


@pytest.mark.parametrize("last", [[3.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_without_an_angle_the_path_is_straight(last: list[float]) -> None:
    path = interpolation.spherical([1.0, 0.0], last, 3)
    np.testing.assert_allclose(path, interpolation.linear([1.0, 0.0], last, 3))


def test_one_latent_is_no_path() -> None:
    with pytest.raises(ValueError, match=r"num_steps must be at least 2\. Received: num_steps=1"):
        interpolation.linear([0.0], [1.0], 1)
