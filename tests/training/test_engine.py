"""The compiled training loop: what steps are given, phases, sums, losses that are not finite."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images, tiny_engine, tiny_examples, tiny_model

from genlab.contract.steps import Batch, Losses, Optimizers, Phase, Step
from genlab.training import feed
from genlab.training.engine import NO_STEP, Engine
from genlab.training.feed import shuffled

PHASES = [Phase(3, 4), Phase(4, 2, 3)]
FIELDS = {
    "images": np.arange(10, dtype=np.uint8).reshape(-1, 1, 1, 1),
    "labels": np.arange(10) % 2,
}


class Probe:
    """Keeps what each step is given; its losses are a function of the step's number."""

    loss_names = ("loss", "square")

    def __init__(self, bad_steps: tuple[int, ...] = (), bad: float = np.nan):
        self.settings = SimpleNamespace()
        self.images = tf.Variable(tf.fill((20, 6), -1.0))
        self.labels = tf.Variable(tf.fill((20, 6), -1))
        self.steps = tf.Variable(tf.zeros((20, 4), tf.int32))
        self.averaged = tf.Variable(tf.zeros(20, tf.int32))
        self.begun: list[tuple[int, float]] = []
        self.bad_steps, self.bad = tf.constant(bad_steps, tf.int32), bad

    def begin(self, phase: int, optimizers: Optimizers) -> None:
        self.begun.append((phase, float(tf.reduce_sum(self.averaged))))

    def average_weights(self, number: tf.Tensor) -> None:
        self.averaged.scatter_nd_add([[number]], [1])

    def update(self, batch: Batch, step: Step, optimizers: Optimizers) -> Losses:
        number = tf.cast(step.number, tf.int32)
        count = batch["images"].shape[0]
        places = [[number, column] for column in range(count)]
        assert batch["labels"].dtype == tf.int32
        self.images.scatter_nd_update(places, batch["images"][:, 0, 0, 0] * 255)
        self.labels.scatter_nd_update(places, batch["labels"])
        self.steps.scatter_nd_update(
            [[number]], [tf.stack([*tf.unstack(step.seed), number, step.phase])]
        )
        value, is_bad = tf.cast(number, tf.float32), tf.reduce_any(self.bad_steps == number)
        return {"loss": value, "square": tf.where(is_bad, self.bad, value**2)}


def probe(model: Probe, resident_bytes: float = np.inf) -> Engine:
    return Engine(model, {}, tiny_examples(FIELDS, 3, PHASES, resident_bytes), 3)


def run(engine: Engine, first_step: int, num_steps: int) -> tuple[dict[str, float], int]:
    """Returns the means of the losses over these steps, and the first bad step."""
    sums, first_bad = engine.run(first_step, num_steps, {})
    return {name: total / num_steps for name, total in sums.items()}, first_bad


@pytest.mark.parametrize("steps_per_block", [None, 1, 2, 50])
def test_steps_get_their_examples_seed_number_and_phase(
    monkeypatch: pytest.MonkeyPatch, steps_per_block: int | None
) -> None:
    """Three steps of four examples, then four of twice three, on the device and streamed."""
    monkeypatch.setattr(feed, "BLOCK_BYTES", (steps_per_block or 0) * 4 * 9)
    model = Probe()
    engine = probe(model, 0 if steps_per_block else np.inf)
    assert run(engine, 0, 3) == ({"loss": 1, "square": 5 / 3}, NO_STEP)
    assert run(engine, 3, 2) == ({"loss": 3.5, "square": (9 + 16) / 2}, NO_STEP)
    assert run(engine, 5, 2) == ({"loss": 5.5, "square": (25 + 36) / 2}, NO_STEP)
    rows = np.rint(model.images.numpy()).astype(int)
    rows = rows[rows >= 0]
    expected = shuffled(tf.range(12 + 24, dtype=tf.int64), 10, 3)
    np.testing.assert_array_equal(rows, expected)
    labels = model.labels.numpy()
    np.testing.assert_array_equal(labels[labels >= 0], rows % 2)
    steps = [[3, step, step, step // 3 > 0] for step in range(7)]
    np.testing.assert_array_equal(model.steps[:7], steps)
    np.testing.assert_array_equal(model.averaged, [1] * 7 + [0] * 13)


def test_model_grows_once_at_the_first_step_of_each_phase() -> None:
    model = Probe()
    engine = probe(model)
    for first_step, num_steps in ((0, 2), (2, 1), (3, 1), (4, 3)):
        engine.run(first_step, num_steps, {})
    assert model.begun == [(0, 0), (1, 3)]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_first_non_finite_step_is_named(bad: float) -> None:
    engine = probe(Probe(bad_steps=(4, 6), bad=bad))
    found = [run(engine, *steps)[1] for steps in ((0, 3), (3, 4), (5, 2), (3, 1))]
    assert found == [NO_STEP, 4, 6, NO_STEP]


def test_absurd_learning_rate_is_found_in_the_step_after_it() -> None:
    changes = {"learning_rate": 1e30, "learning_rate_schedule": "constant"}
    model = tiny_model("vae", network="dense", **changes)
    assert run(tiny_engine(model, random_images(20), seed=0), 0, 6)[1] == 1


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("vae", {"network": "dense"}), ("gan", {"r1_every_steps": 4})],
)
def test_steps_in_two_calls_equal_those_in_one(kind: str, changes: dict[str, Any]) -> None:
    weights = []
    for calls in ([(0, 10)], [(0, 4), (4, 6)]):
        model = tiny_model(kind, **changes)
        engine = tiny_engine(model, random_images(18), seed=5)
        for steps in calls:
            assert run(engine, *steps)[1] == NO_STEP
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_partial_sums_are_gone_on_with_to_the_bit() -> None:
    """The mean over a window does not depend on where it was interrupted."""
    engine = probe(Probe())
    expected, _ = engine.run(3, 4, {"loss": 3.0, "square": 5.0})
    first, _ = engine.run(3, 1, {"loss": 3.0, "square": 5.0})
    assert engine.run(4, 3, first)[0] == expected == {"loss": 21.0, "square": 91.0}
