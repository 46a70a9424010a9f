"""Reconstruction by search: latents whose images are nearest."""

from typing import Any

import numpy as np
import pytest
from fixtures_models import halves, tiny_model, tiny_spec

from genlab.contract.evidence import Unavailable
from genlab.contract.fields import spec_to_json
from genlab.evaluation import inversion
from genlab.imaging.arrays import to_float
from genlab.settings.params import Inversion
from genlab.trained.model import TrainedModel

SHAPE = (8, 8, 1)


def gan(**changes: Any) -> TrainedModel:
    model = tiny_model("gan", SHAPE, network="dense", **changes)
    facts = {"name": "gan", "kind": "gan", "image_shape": list(SHAPE)}
    return TrainedModel(model, facts | {"fields": spec_to_json(tiny_spec(SHAPE))}, None)


def invert(model: TrainedModel, images: np.ndarray, steps: int, rate: float = 0.1) -> np.ndarray:
    settings = Inversion(num_images=6, num_starts=16, steps=steps, learning_rate=rate)
    return inversion.invert(model, images, settings, 0)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_inversion_comes_near_what_the_decoder_itself_made(prior: str) -> None:
    model = gan(widths=[16, 16], prior=prior)
    made = np.asarray(model.sample(5, seed=11))
    rebuilt = invert(model, made, 150)
    assert (rebuilt.shape, rebuilt.dtype) == (made.shape, np.float32)
    spread = np.square(made - made.mean(axis=0)).mean()
    assert np.square(rebuilt - made).mean() < 0.02 * spread
    np.testing.assert_array_equal(invert(model, made, 150), rebuilt)


def test_search_starts_at_the_nearest_draw() -> None:
    """The starts' own images, in another order, are found with hardly a step."""
    model = gan()
    made = np.asarray(model.sample(16, seed=0))[[9, 3, 12]]
    np.testing.assert_allclose(invert(model, made, 1, 1e-6), made, atol=1e-5)


def test_longer_search_is_not_worse_and_batches_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, images = gan(), to_float(halves(5, SHAPE, seed=5)[0])
    short, long = (invert(model, images, steps) for steps in (1, 60))
    assert np.square(long - images).mean() < np.square(short - images).mean()
    monkeypatch.setattr(inversion, "BATCH_SIZE", 2)
    np.testing.assert_allclose(invert(model, images, 60), long, atol=1e-3)


def test_nearest_candidate_by_hand() -> None:
    images = np.array([[0.0, 0.0], [1.0, 1.0], [0.4, 0.0]], np.float32)
    candidates = np.array([[1.0, 0.8], [0.1, 0.0], [0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(inversion.nearest(images, candidates), [1, 0, 1])


def test_a_model_without_a_latent_vector_cannot_be_searched() -> None:
    model = gan()
    model.model.given = ("labels",)
    with pytest.raises(Unavailable, match=r"^gan makes no images from a latent vector alone$"):
        invert(model, np.zeros((1, *SHAPE), np.float32), 1)
