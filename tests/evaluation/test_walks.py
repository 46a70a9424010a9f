"""Interpolations and traversals, by a decoder whose images say what its latents were."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genlab.evaluation import interpolations, traversals, walks
from genlab.imaging.arrays import Split
from genlab.numerics.interpolation import linear, spherical

SCALE = 1 / 32


class Readable:
    """Three latents, as the first three pixels: a latent of 0 is 0.5, and one of 1 lies 1/32 above."""

    def __init__(self, prior: str, encodes: bool):
        self.settings = {"settings": {"prior": prior}}
        self.latent_dim, self._prior, self._encodes = 3, prior, encodes

    def sources(self) -> list[str]:
        return [] if self._prior == "none" else ["prior"]

    def can(self, verb: str) -> bool:
        return verb == "encode" and self._encodes

    def as_seen(self, images: np.ndarray) -> np.ndarray:
        return images

    def encode(self, images: np.ndarray) -> np.ndarray:
        return ((images[:, 0, :3, 0] - 0.5) / SCALE).astype(np.float32)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        images = np.zeros((len(latents), 2, 3, 1), np.float32)
        images[:, 0, :, 0] = 0.5 + SCALE * latents
        return images

    def draw_latents(self, num_images: int, seed: int, source: str) -> np.ndarray:
        assert source == "prior"
        return np.random.default_rng(seed).standard_normal((num_images, 3)).astype(np.float32)


def task(
    prior: str = "normal",
    encodes: bool = True,
    labels: Any = None,
    names: Any = ("a", "b", "c", "d"),
) -> Any:
    labels = np.array([3, 1, 0, 1, 2, 0]) if labels is None else np.asarray(labels)
    images = np.random.default_rng(0).integers(64, 192, (len(labels), 2, 3, 1), np.uint8)
    return SimpleNamespace(
        model=Readable(prior, encodes), real=Split(images, labels), floats=images.astype(np.float32) / 255, seed=5,
        description={"class_names": list(names)},
    )  # fmt: skip


def drawn(look: Any, of: Any, **arrays: Any) -> dict[str, np.ndarray]:
    scores = SimpleNamespace(arrays=dict(arrays))
    look.draw(of, scores)
    return scores.arrays[look.__name__.rpartition(".")[2]]


def latents_of(images: np.ndarray) -> np.ndarray:
    return (images[..., 0, :, 0] / 255 - 0.5) / SCALE


HALF_GREY = 0.5 / 255 / SCALE + 1e-5
"""What rounding to 256 grey values may change a latent by."""


@pytest.mark.parametrize(
    ("prior", "path"), [("normal", spherical), ("uniform", linear), ("none", linear)]
)
def test_paths_lead_from_the_first_image_of_a_class_to_that_of_another(
    prior: str, path: Any
) -> None:
    of = task(prior)
    found = drawn(interpolations, of)
    assert str(found["path"]) == path.__name__
    assert found["names"].tolist() == [
        ["a, test image 2", "c, test image 4"],
        ["b, test image 1", "d, test image 0"],
    ]
    np.testing.assert_array_equal(found["originals"][1], of.real.images[[1, 0]])
    first, last = of.model.encode(of.floats[[2, 4]])
    assert found["images"].shape == (2, 9, 2, 3, 1)
    np.testing.assert_allclose(latents_of(found["images"][0]), path(first, last, 9), atol=HALF_GREY)


def test_without_an_encoder_paths_lead_from_draw_to_draw() -> None:
    found = drawn(interpolations, task(encodes=False))
    assert found["names"].tolist()[0] == ["draw 1", "draw 2"]
    assert "originals" not in found
    again = drawn(interpolations, task(encodes=False))
    np.testing.assert_array_equal(found["images"], again["images"])


def test_images_without_classes_are_named_by_their_place() -> None:
    found = drawn(interpolations, task(labels=[-1] * 4, names=()))
    assert found["names"].tolist() == [
        ["test image 0", "test image 2"],
        ["test image 1", "test image 3"],
    ]


def test_a_traversal_moves_one_dimension_from_minus_three_to_three() -> None:
    of, kls = task(), np.array([0.1, 2.0, 0.5])
    found = drawn(traversals, of, kl_per_dimension={"kl": kls})
    assert found["dimensions"].tolist() == [1, 2, 0]
    assert str(found["strength"]) == "KL, nats per image"
    np.testing.assert_allclose(found["offsets"], np.arange(-3, 3.5, 0.5))
    assert found["starts"].tolist() == ["d, test image 0", "the prior's mean"]
    start = of.model.encode(of.floats[[0]])[0]
    walked = latents_of(found["images"][0, 0])  # dimension 1
    np.testing.assert_allclose(walked[:, 1], found["offsets"], atol=HALF_GREY)
    np.testing.assert_allclose(walked[:, [0, 2]], np.tile(start[[0, 2]], (13, 1)), atol=HALF_GREY)
    np.testing.assert_allclose(found["positions"][0], start[[1, 2, 0]], atol=1e-5)
    np.testing.assert_allclose(latents_of(found["images"][-1, 2])[6], 0, atol=HALF_GREY)


def test_without_a_prior_walks_are_around_the_mean_of_the_test_latents() -> None:
    latents = np.array([[1, 0, 0], [3, 0, 4], [5, 0, -4]], np.float32)
    found = drawn(traversals, task("none"), latents={"latents": latents})
    assert found["dimensions"].tolist() == [2, 0, 1]  # by variance
    assert str(found["middle"]) == "the mean of the test latents"
    deviation = np.sqrt(8 / 3)
    np.testing.assert_allclose(
        latents_of(found["images"][-1, 1])[[0, -1], 0],
        [3 - 3 * deviation, 3 + 3 * deviation],
        atol=HALF_GREY,
    )
    assert np.isfinite(found["positions"]).all()  # though one dimension never varies


def test_a_uniform_prior_is_not_left() -> None:
    around = walks.range_of(task("uniform"), None)
    np.testing.assert_allclose(around.reach * around.deviation, 1, rtol=1e-6)


def test_without_an_encoder_dimensions_are_ordered_by_what_they_change() -> None:
    found = drawn(traversals, task(encodes=False))
    assert found["starts"].tolist() == ["prior draw 1", "prior draw 2", "the prior's mean"]
    assert str(found["strength"]) == "variance per pixel that it makes"
    variance = np.var(np.linspace(-3, 3, 13)) * SCALE**2 / 6  # of one pixel in six
    np.testing.assert_allclose(found["strengths"], variance, rtol=0.06)  # grey values are rounded
