"""Interpolations and traversals, by a decoder whose images say what its latents were."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import tiny_spec

from genlab.contract.fields import spec_to_json
from genlab.evaluation import walks
from genlab.imaging.arrays import Split
from genlab.numerics.interpolation import linear, spherical
from genlab.trained.model import TrainedModel

SCALE = 1 / 32
HALF_GREY = 0.5 / 255 / SCALE + 1e-5
"""What rounding to 256 grey values may change a latent by."""


class Draws:
    """Three latents, as the first three pixels: a latent of 0 is 0.5, and one of 1 1/32 above."""

    given, noise_shape = (), (3,)

    def __init__(self, prior: str = "normal"):
        self.prior = prior

    def generate(self, noise: tf.Tensor, given: Any) -> tf.Tensor:
        row = 0.5 + SCALE * noise
        return tf.stack([row, tf.zeros_like(row)], axis=1)[..., None]


class Encoding:
    """The same without a prior: it encodes."""

    latent_dim = 3

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        return (images[:, 0, :, 0] - 0.5) / SCALE

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        return Draws().generate(latents, {})


class Both(Draws, Encoding):
    pass


def task(model: Any, labels: Any = (3, 1, 0, 1, 2, 0), names: Any = ("a", "b", "c", "d")) -> Any:
    facts = {"name": "it", "kind": "it", "image_shape": [2, 3, 1]}
    facts["fields"] = spec_to_json(tiny_spec((2, 3, 1)))
    images = np.random.default_rng(0).integers(64, 192, (len(labels), 2, 3, 1), np.uint8)
    return SimpleNamespace(
        model=TrainedModel(model, facts, None),
        real=Split(images, np.array(labels)),
        floats=images.astype(np.float32) / 255,
        seed=5,
        description={"class_names": list(names)},
    )


def traversals(of: Any, **arrays: Any) -> dict[str, np.ndarray]:
    return walks.traversals(of, SimpleNamespace(arrays=arrays))


def latents_of(images: np.ndarray) -> np.ndarray:
    return (images[..., 0, :, 0] / 255 - 0.5) / SCALE


@pytest.mark.parametrize(
    ("model", "path"), [(Both(), spherical), (Both("uniform"), linear), (Encoding(), linear)]
)
def test_paths_lead_from_the_first_image_of_a_class_to_that_of_another(
    model: Any, path: Any
) -> None:
    of = task(model)
    arrays = walks.interpolations(of)
    assert str(arrays["path"]) == path.__name__
    expected = [["a, test image 2", "c, test image 4"], ["b, test image 1", "d, test image 0"]]
    assert arrays["names"].tolist() == expected
    np.testing.assert_array_equal(arrays["originals"][1], of.real.images[[1, 0]])
    assert arrays["images"].shape == (2, 9, 2, 3, 1)
    first, last = of.model.encode(of.floats[[2, 4]])
    path_of_first = latents_of(arrays["images"][0])
    np.testing.assert_allclose(path_of_first, path(first, last, 9), atol=HALF_GREY)


def test_without_an_encoder_paths_lead_from_draw_to_draw() -> None:
    first, second = (walks.interpolations(task(Draws())) for _ in range(2))
    assert first["names"].tolist() == [["draw 1", "draw 2"], ["draw 3", "draw 4"]]
    assert "originals" not in first
    np.testing.assert_array_equal(first["images"], second["images"])


def test_images_without_classes_are_named_by_their_place() -> None:
    arrays = walks.interpolations(task(Both(), labels=[-1] * 4, names=()))
    expected = [["test image 0", "test image 2"], ["test image 1", "test image 3"]]
    assert arrays["names"].tolist() == expected


def test_a_traversal_moves_one_dimension_from_minus_three_to_three() -> None:
    of = task(Both())
    arrays = traversals(of, kl_per_dimension={"kl": np.array([0.1, 2.0, 0.5])})
    assert arrays["dimensions"].tolist() == [1, 2, 0]
    assert str(arrays["strength"]) == "KL, nats per image"
    np.testing.assert_allclose(arrays["offsets"], np.arange(-3, 3.5, 0.5))
    assert arrays["starts"].tolist() == ["d, test image 0", "the prior's mean"]
    start = of.model.encode(of.floats[[0]])[0]
    walked = latents_of(arrays["images"][0, 0])  # dimension 1
    np.testing.assert_allclose(walked[:, 1], arrays["offsets"], atol=HALF_GREY)
    np.testing.assert_allclose(walked[:, [0, 2]], np.tile(start[[0, 2]], (13, 1)), atol=HALF_GREY)
    np.testing.assert_allclose(arrays["positions"][0], start[[1, 2, 0]], atol=1e-5)
    np.testing.assert_allclose(latents_of(arrays["images"][-1, 2])[6], 0, atol=HALF_GREY)


def test_without_a_prior_walks_are_around_the_mean_of_the_test_latents() -> None:
    latents = np.array([[1, 0, 0], [3, 0, 4], [5, 0, -4]], np.float32)
    arrays = traversals(task(Encoding()), latents={"latents": latents})
    assert arrays["dimensions"].tolist() == [2, 0, 1]  # by variance
    assert str(arrays["middle"]) == "the mean of the test latents"
    reach = 3 * np.sqrt(8 / 3)
    ends = latents_of(arrays["images"][-1, 1])[[0, -1], 0]
    np.testing.assert_allclose(ends, [3 - reach, 3 + reach], atol=HALF_GREY)
    assert np.isfinite(arrays["positions"]).all()  # though one dimension never varies


def test_a_uniform_prior_is_not_left() -> None:
    around = walks.range_of(task(Both("uniform")), None)
    np.testing.assert_allclose(around.offsets[-1] * around.deviation, 1, rtol=1e-6)


def test_without_an_encoder_dimensions_are_ordered_by_what_they_change() -> None:
    arrays = traversals(task(Draws()))
    assert arrays["starts"].tolist() == ["prior draw 1", "prior draw 2", "the prior's mean"]
    assert str(arrays["strength"]) == "variance per pixel that it makes"
    variance = np.var(np.linspace(-3, 3, 13)) * SCALE**2 / 6  # of one pixel in six
    np.testing.assert_allclose(arrays["strengths"], variance, rtol=0.06)  # grey values are rounded
