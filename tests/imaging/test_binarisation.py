"""Black-and-white images: what is drawn, by place and step alone, and who sees it."""

import json
from collections.abc import Iterator
from hashlib import shake_256
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    Recorder,
    random_images,
    tiny_entry,
    tiny_examples,
    tiny_params,
    write_dataset,
)

from genlab import training
from genlab.contract.steps import Batch, Losses, Optimizers, Phase, Step
from genlab.imaging import binarisation
from genlab.imaging.arrays import choose_rows, read_split, to_float
from genlab.imaging.binarisation import Binarisation
from genlab.trained import model as trained_model
from genlab.training import feed
from genlab.training.engine import Engine
from genlab.training.observer import Observer
from genlab.workflows import generation

SEED = (3, 5)
IMAGES = random_images(18)


@pytest.fixture(autouse=True)
def _float32() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


# In training


def test_draws_have_the_grey_values_as_means() -> None:
    grey = np.array([0.0, 0.1, 0.5, 1.0], np.float32).reshape(1, 2, 2, 1)
    images = tf.constant(np.broadcast_to(grey, (20000, 2, 2, 1)))
    drawn = binarisation.draw(images, tf.range(20000), 20000, SEED).numpy()
    assert set(np.unique(drawn)) == {0, 1}
    shares = drawn.mean(axis=0).ravel()
    assert (shares[0], shares[3]) == (0, 1), "black and white stay as they are"
    np.testing.assert_allclose(shares[1:3], [0.1, 0.5], atol=0.015)  # four standard errors
    correlation = np.corrcoef(drawn[:, 0, 1, 0], drawn[:, 1, 0, 0])[0, 1]
    assert abs(correlation) < 0.03, "pixels are drawn on their own"


def test_each_place_has_its_draw_whoever_computes_it() -> None:
    images = tf.constant(to_float(IMAGES[:6]))
    whole = binarisation.draw(images, tf.range(6), 6, SEED)
    for places in ([0, 1, 2], [4, 1]):
        part = binarisation.draw(tf.gather(images, places), tf.constant(places), 6, SEED)
        np.testing.assert_array_equal(part, tf.gather(whole, places))
    assert not np.array_equal(whole, binarisation.draw(images, tf.range(6), 6, (3, 6)))


class Probe:
    """Keeps the images that each of 12 steps was given."""

    loss_names = ("loss",)

    def __init__(self) -> None:
        self.images = tf.Variable(tf.zeros((12, 4, 8, 8, 1)))

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        self.images.scatter_nd_update([[step.number]], [batch["images"]])
        return {"loss": tf.constant(0.0)}


def images_of_steps(
    images: np.ndarray,
    binarise: Binarisation,
    calls: tuple[tuple[int, int], ...] = ((0, 12),),
    seed: int = 5,
    resident_bytes: float = 1e9,
) -> np.ndarray:
    probe, examples = Probe(), tiny_examples(images, 5, [Phase(12, 4)], resident_bytes)
    for first_step, num_steps in calls:
        Engine(probe, {}, examples, seed, binarise).run(first_step, num_steps, {})
    return probe.images.numpy()


def test_steps_see_new_draws_of_their_images() -> None:
    """Four images: every step is an epoch, and no two are equal."""
    grey = np.full((4, 8, 8, 1), 128, np.uint8)
    drawn = images_of_steps(grey, "dynamic")
    assert set(np.unique(drawn)) == {0, 1}
    assert len(np.unique(drawn.reshape(48, -1), axis=0)) == 48
    np.testing.assert_allclose(images_of_steps(grey, "none"), 128 / 255, rtol=1e-6)


def test_draws_depend_on_seed_and_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = images_of_steps(IMAGES, "dynamic")
    parts = images_of_steps(IMAGES, "dynamic", calls=((0, 5), (5, 7)))
    np.testing.assert_array_equal(parts, expected)
    monkeypatch.setattr(feed, "BLOCK_BYTES", 3 * 4 * 64)
    streamed = images_of_steps(IMAGES, "dynamic", resident_bytes=0)
    np.testing.assert_array_equal(streamed, expected)
    assert not np.array_equal(images_of_steps(IMAGES, "dynamic", seed=6), expected)


# In validation and test


def test_fixed_draw_is_the_start_of_a_shake_256_of_each_image() -> None:
    images = random_images(3, (4, 5, 3), seed=1)
    for image, drawn in zip(images, binarisation.fixed(images), strict=True):
        stream = shake_256(b"genlab binarisation 1" + image.tobytes()).digest(240)
        levels = [int.from_bytes(stream[i : i + 4], "little") / 2**32 for i in range(0, 240, 4)]
        grey = image.ravel().tolist()
        white = [255 * (level < g / 255) for level, g in zip(levels, grey, strict=True)]
        assert drawn.ravel().tolist() == white


def test_fixed_draws_have_the_grey_values_as_means() -> None:
    images = np.full((3000, 4, 4, 1), 51, np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = 0, 255
    images[:, 3, 3, 0] = np.arange(3000) % 256  # else all images are one
    images[:, 3, 2, 0] = np.arange(3000) // 256
    drawn = binarisation.fixed(images)
    assert (drawn.dtype, set(np.unique(drawn))) == (np.uint8, {0, 255})
    assert (drawn[:, 0, 0].max(), drawn[:, 0, 1].min()) == (0, 255)
    assert drawn[:, 1].mean() / 255 == pytest.approx(0.2, abs=0.015)


def test_fixed_draw_does_not_depend_on_the_other_images() -> None:
    drawn = binarisation.fixed(IMAGES)
    np.testing.assert_array_equal(binarisation.fixed(IMAGES[::-1])[:2], drawn[:-3:-1])
    assert binarisation.fixed(IMAGES[:0]).shape == (0, 8, 8, 1)


# The option, all the way


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


def job_of(data: Path, how: str) -> training.Job:
    params = tiny_params({"vae": tiny_entry("vae", network="dense")})
    changed = params.data.model_copy(update={"binarisation": how})
    return training.prepare(params.model_copy(update={"data": changed}), "vae", data)


def test_option_is_part_of_the_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    grey = np.asarray(read_split(data, "test").images)
    drawn, weights = binarisation.fixed(grey), set()
    for how, expected in (("none", grey), ("dynamic", drawn)):
        job = job_of(data, how)
        training.fit(job, Recorder())
        folder = job.folder / "result"
        assert json.loads((folder / "settings.json").read_text())["binarisation"] == how
        weights.add((folder / "model.weights.h5").read_bytes())
        np.testing.assert_array_equal(trained_model.load(folder).as_seen(grey), expected)
        generation.reconstruct(folder, data, "test", tmp_path / f"{how}.npz")
        with np.load(tmp_path / f"{how}.npz") as arrays:
            np.testing.assert_array_equal(arrays["images"], expected)
    assert len(weights) == 2


def test_validation_is_of_the_fixed_draws(data: Path) -> None:
    images, labels = read_split(data, "validation")
    grey = np.asarray(images[choose_rows(labels, 8)])
    for how, expected in (("none", grey), ("dynamic", binarisation.fixed(grey))):
        job = job_of(data, how)
        model = job.chapter.build(job.settings, job.spec)
        batch = Observer(job, model, Recorder()).batch
        np.testing.assert_array_equal(batch["images"], to_float(expected))
