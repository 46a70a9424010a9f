"""Black-and-white images: what is drawn, by place and step alone, and who sees it."""

import json
from collections.abc import Iterator
from hashlib import shake_256
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    Recorder,
    random_images,
    tiny_entry,
    tiny_params,
    write_dataset,
)

from genlab import training
from genlab.imaging import binarisation
from genlab.imaging.arrays import read_split, to_float
from genlab.trained import model as trained_model
from genlab.training import Job, feed
from genlab.training.engine import Engine
from genlab.training.feed import Resident, Streamed
from genlab.training.observer import Observer
from genlab.workflows import generation

SEED = (3, 5)


@pytest.fixture(autouse=True)
def _float32() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


# In training


def test_draws_have_the_grey_values_as_means() -> None:
    images = np.broadcast_to(
        np.array([0.0, 0.1, 0.5, 1.0], np.float32).reshape(1, 2, 2, 1), (20000, 2, 2, 1)
    )
    drawn = binarisation.draw(tf.constant(images), tf.range(20000), 20000, SEED).numpy()
    assert set(np.unique(drawn)) == {0, 1}
    shares = drawn.mean(axis=0).ravel()
    assert (shares[0], shares[3]) == (0, 1), "black and white stay as they are"
    np.testing.assert_allclose(shares[1:3], [0.1, 0.5], atol=0.015)  # four standard errors
    pairs = np.corrcoef(drawn[:, 0, 1, 0], drawn[:, 1, 0, 0])[0, 1]
    assert abs(pairs) < 0.03, "pixels are drawn on their own"


def test_each_place_has_its_draw_whoever_computes_it() -> None:
    images = tf.constant(to_float(random_images(6)))
    whole = binarisation.draw(images, tf.range(6), 6, SEED)
    for places in ([0, 1, 2], [4, 1]):
        part = binarisation.draw(tf.gather(images, places), tf.constant(places), 6, SEED)
        np.testing.assert_array_equal(part, tf.gather(whole, places))
    assert not np.array_equal(whole, binarisation.draw(images, tf.range(6), 6, (3, 6)))


class Probe:
    """Keeps the images that each step was given."""

    loss_names = ("loss",)

    def __init__(self, num_steps: int = 12):
        self.settings = type("Settings", (), {"images_per_step": 4, "batch_size": 4})
        self.seen = tf.Variable(tf.zeros((num_steps, 4, 8, 8, 1)))

    def update(
        self, images: tf.Tensor, seed: tf.Tensor, optimizers: dict[str, Any]
    ) -> dict[str, tf.Tensor]:
        self.seen.scatter_nd_update([[seed[1]]], [images])
        return {"loss": tf.constant(0.0)}


def seen(
    source: feed.Feed, binarise: binarisation.Binarisation, calls: list[tuple[int, int]], seed: int
) -> np.ndarray:
    model = Probe()
    for first_step, num_steps in calls:
        Engine(model, {}, source, seed, binarise).run(first_step, num_steps, {})
    return model.seen.numpy()


def test_steps_see_new_draws_of_their_images() -> None:
    """Four images: every step is an epoch, and no two are equal."""
    pictures = np.full((4, 8, 8, 1), 128, np.uint8)
    drawn = seen(Resident(pictures, 5), "dynamic", [(0, 12)], 5)
    assert set(np.unique(drawn)) == {0, 1}
    assert len(np.unique(drawn.reshape(48, -1), axis=0)) == 48
    np.testing.assert_allclose(
        seen(Resident(pictures, 5), "none", [(0, 12)], 5), 128 / 255, rtol=1e-6
    )


def test_draws_depend_on_seed_and_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = random_images(18)
    expected = seen(Resident(pictures, 5), "dynamic", [(0, 12)], 5)
    np.testing.assert_array_equal(
        seen(Resident(pictures, 5), "dynamic", [(0, 5), (5, 7)], 5), expected
    )
    monkeypatch.setattr(feed, "BLOCK_BYTES", 3 * 4 * 64)
    np.testing.assert_array_equal(seen(Streamed(pictures, 5, 4), "dynamic", [(0, 12)], 5), expected)
    assert not np.array_equal(seen(Resident(pictures, 5), "dynamic", [(0, 12)], 6), expected)


# In validation and test


def test_fixed_draw_is_the_start_of_a_shake_256_of_each_image() -> None:
    pictures = random_images(3, (4, 5, 3), seed=1)
    for picture, drawn in zip(pictures, binarisation.fixed(pictures), strict=True):
        digest = shake_256(b"genlab binarisation 1" + picture.tobytes()).digest(240)
        levels = [
            int.from_bytes(digest[first : first + 4], "little") / 2**32
            for first in range(0, 240, 4)
        ]
        expected = [
            255 * (level < grey / 255)
            for level, grey in zip(levels, picture.ravel().tolist(), strict=True)
        ]
        assert drawn.ravel().tolist() == expected


def test_fixed_draws_have_the_grey_values_as_means() -> None:
    pictures = np.full((3000, 4, 4, 1), 51, np.uint8)
    pictures[:, 0, 0, 0], pictures[:, 0, 1, 0] = 0, 255
    pictures[:, 3, 3, 0] = np.arange(3000) % 256  # else all images are one
    pictures[:, 3, 2, 0] = np.arange(3000) // 256
    drawn = binarisation.fixed(pictures)
    assert (drawn.dtype, set(np.unique(drawn))) == (np.uint8, {0, 255})
    assert (drawn[:, 0, 0].max(), drawn[:, 0, 1].min()) == (0, 255)
    assert drawn[:, 1].mean() / 255 == pytest.approx(0.2, abs=0.015)


def test_fixed_draw_does_not_depend_on_the_other_images() -> None:
    pictures = random_images(6)
    np.testing.assert_array_equal(
        binarisation.fixed(pictures[::-1])[:2], binarisation.fixed(pictures)[:3:-1]
    )
    assert binarisation.fixed(pictures[:0]).shape == (0, 8, 8, 1)


# The option, all the way


def job_of(
    data: Path, how: str, kind: str = "vae", training_changes: dict[str, Any] | None = None
) -> Job:
    params = tiny_params({kind: tiny_entry(kind, network="dense")}, **(training_changes or {}))
    changed = params.model_copy(
        update={"data": params.data.model_copy(update={"binarisation": how})}
    )
    return training.prepare(changed, kind, data)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


def test_option_is_part_of_the_key_and_of_the_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folders = {}
    for how in ("none", "dynamic"):
        job = job_of(data, how)
        training.fit(job, Recorder())
        folders[how] = job.folder / "result"
        assert json.loads((folders[how] / "settings.json").read_text())["binarisation"] == how
    assert folders["none"].parent != folders["dynamic"].parent
    weights = [(folder / "model.weights.h5").read_bytes() for folder in folders.values()]
    assert weights[0] != weights[1]
    pictures = np.asarray(read_split(data, "test").images)
    models = {how: trained_model.load(folder) for how, folder in folders.items()}
    np.testing.assert_array_equal(models["none"].as_seen(pictures), pictures)
    np.testing.assert_array_equal(models["dynamic"].as_seen(pictures), binarisation.fixed(pictures))
    generation.reconstruct(folders["dynamic"], data, "test", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], binarisation.fixed(pictures))


def test_validation_is_of_the_fixed_draws(data: Path) -> None:
    validation = np.asarray(read_split(data, "validation").images[:8])
    for how, expected in (("none", validation), ("dynamic", binarisation.fixed(validation))):
        job = job_of(data, how)
        model = job.chapter.build(job.settings, job.image_shape)
        np.testing.assert_array_equal(
            Observer(job, model, Recorder()).validation, to_float(expected)
        )


def test_model_of_before_the_option_sees_grey_values(data: Path) -> None:
    pictures = random_images(2)
    settings = {"name": "vae", "kind": "vae"}
    assert trained_model.TrainedModel(None, settings, None).as_seen(pictures) is pictures
