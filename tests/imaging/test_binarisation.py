"""Black-and-white images: what is drawn, that it depends on place and step alone, who sees it."""

import json
from hashlib import shake_256
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    Recorder,
    contents,
    random_images,
    tiny_entry,
    tiny_examples,
    tiny_params,
    write_dataset,
)

from genlab import training
from genlab.contract.steps import Batch, Losses, Optimizers, Phase, Step
from genlab.imaging import binarisation
from genlab.imaging.arrays import read_split, to_float
from genlab.trained import model as trained_model
from genlab.training import Job, feed
from genlab.training.engine import Engine
from genlab.training.observer import Observer
from genlab.workflows import generation

SEED = (3, 5)


# In training


def test_draws_have_the_grey_values_as_means() -> None:
    greys = np.array([0.0, 0.1, 0.5, 1.0], np.float32).reshape(1, 2, 2, 1)
    images = tf.constant(np.broadcast_to(greys, (20000, 2, 2, 1)))
    drawn = binarisation.draw(images, tf.range(20000), 20000, SEED).numpy()
    assert set(np.unique(drawn)) == {0, 1}
    shares = drawn.mean(axis=0).ravel()
    assert (shares[0], shares[3]) == (0, 1), "black and white stay as they are"
    np.testing.assert_allclose(shares[1:3], [0.1, 0.5], atol=0.015)  # four standard errors
    pixels = np.corrcoef(drawn[:, 0, 1, 0], drawn[:, 1, 0, 0])
    assert abs(pixels[0, 1]) < 0.03, "pixels are drawn on their own"


def test_each_place_has_its_draw_whoever_computes_it() -> None:
    images = tf.constant(to_float(random_images(6)))
    whole = binarisation.draw(images, tf.range(6), 6, SEED)
    for places in ([0, 1, 2], [4, 1]):
        part = binarisation.draw(tf.gather(images, places), tf.constant(places), 6, SEED)
        np.testing.assert_array_equal(part, tf.gather(whole, places))
    assert not np.array_equal(whole, binarisation.draw(images, tf.range(6), 6, (3, 6)))


class Probe:
    """Keeps the images that each step is given."""

    loss_names = ("loss",)

    def __init__(self) -> None:
        self.images = tf.Variable(tf.zeros((12, 4, 8, 8, 1)))

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        self.images.scatter_nd_update([[step.number]], [batch["images"]])
        return {"loss": tf.constant(0.0)}


def images_of_steps(
    pictures: np.ndarray, how: str, *, split: int = 12, seed: int = 5, resident_bytes: float = 1e9
) -> np.ndarray:
    """Returns the images of twelve steps of four, (12, 4, 8, 8, 1), made in one call or two."""
    model = Probe()
    source = tiny_examples(pictures, seed, [Phase(12, 4)], resident_bytes)
    engine = Engine(model, {}, source, seed, how)
    engine.run(0, split, {})
    if split < 12:
        engine.run(split, 12 - split, {})
    return model.images.numpy()


def test_steps_get_new_draws_of_their_images() -> None:
    """Four images: every step is an epoch, and no two are equal."""
    pictures = np.full((4, 8, 8, 1), 128, np.uint8)
    drawn = images_of_steps(pictures, "dynamic")
    assert set(np.unique(drawn)) == {0, 1}
    assert len(np.unique(drawn.reshape(48, -1), axis=0)) == 48
    np.testing.assert_allclose(images_of_steps(pictures, "none"), 128 / 255, rtol=1e-6)


def test_draws_depend_on_seed_and_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = random_images(18)
    expected = images_of_steps(pictures, "dynamic")
    np.testing.assert_array_equal(images_of_steps(pictures, "dynamic", split=5), expected)
    assert not np.array_equal(images_of_steps(pictures, "dynamic", seed=6), expected)
    monkeypatch.setattr(feed, "BLOCK_BYTES", 3 * 4 * 64)
    streamed = images_of_steps(pictures, "dynamic", resident_bytes=0)
    np.testing.assert_array_equal(streamed, expected)


# In validation and test


def test_fixed_draw_is_the_start_of_a_shake_256_of_each_image() -> None:
    pictures = random_images(3, (4, 5, 3), seed=1)
    for picture, drawn in zip(pictures, binarisation.fixed(pictures), strict=True):
        digest = shake_256(b"genlab binarisation 1" + picture.tobytes()).digest(240)
        levels = [int.from_bytes(digest[i : i + 4], "little") / 2**32 for i in range(0, 240, 4)]
        greys = (picture.ravel() / 255).tolist()
        expected = [255 * (level < grey) for level, grey in zip(levels, greys, strict=True)]
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
    backwards = binarisation.fixed(pictures[::-1])[::-1]
    np.testing.assert_array_equal(backwards, binarisation.fixed(pictures))
    assert binarisation.fixed(pictures[:0]).shape == (0, 8, 8, 1)


# The option, all the way


def job_of(data: Path, how: str, **changes: int) -> Job:
    params = tiny_params({"vae": tiny_entry("vae", network="dense")}, **changes)
    binarised = params.data.model_copy(update={"binarisation": how})
    return training.prepare(params.model_copy(update={"data": binarised}), "vae", data)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


def test_option_is_part_of_the_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    pictures = np.asarray(read_split(data, "test").images)
    weights = []
    for how, expected in (("none", pictures), ("dynamic", binarisation.fixed(pictures))):
        job = job_of(data, how)
        training.fit(job, Recorder())
        folder = job.folder / "result"
        assert json.loads((folder / "settings.json").read_text())["binarisation"] == how
        np.testing.assert_array_equal(trained_model.load(folder).as_seen(pictures), expected)
        generation.reconstruct(folder, data, "test", tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz") as arrays:
            np.testing.assert_array_equal(arrays["images"], expected)
        weights.append((folder / "model.weights.h5").read_bytes())
    assert weights[0] != weights[1]


def test_interrupted_training_goes_on_to_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for place, first_step in (("whole", 0), ("parts", 8)):
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / place))
        job = job_of(data, "dynamic", checkpoint_every_steps=4)
        if first_step:
            with pytest.raises(KeyboardInterrupt):
                training.fit(job, Recorder(stop_at=12))
        assert training.fit(job, Recorder()).first_step == first_step
        results.append(contents(job.folder / "result"))
    assert results[0] == results[1]


def test_validation_is_of_the_fixed_draws(data: Path) -> None:
    validation = np.asarray(read_split(data, "validation").images[:8])
    for how, expected in (("none", validation), ("dynamic", binarisation.fixed(validation))):
        job = job_of(data, how)
        observer = Observer(job, job.chapter.build(job.settings, job.spec), Recorder())
        np.testing.assert_array_equal(observer.batch["images"], to_float(expected))
