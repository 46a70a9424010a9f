"""The compiled training loop: order of the images, steps, non-finite losses."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images, tiny_model

from genlab.imaging.arrays import to_float
from genlab.training import feed
from genlab.training.engine import NO_STEP, Engine, as_floats
from genlab.training.feed import Resident, Streamed, shuffled


def order(start: int, stop: int, num_images: int, seed: int = 3) -> np.ndarray:
    return shuffled(tf.range(start, stop, dtype=tf.int64), num_images, seed).numpy()


# Order


@pytest.mark.parametrize("num_images", [1, 2, 5, 48, 1000])
def test_every_epoch_is_a_permutation(num_images: int) -> None:
    for epoch in np.split(order(0, 3 * num_images, num_images), 3):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(num_images))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = np.split(order(0, 200, 100), 2)
    other = order(0, 100, 100, seed=4)
    for one, another in ((first, second), (first, other), (first, np.arange(100))):
        assert (one == another).mean() < 0.1


def test_order_depends_on_the_position_alone() -> None:
    """A batch that spans two epochs has the end of one and the start of the next."""
    np.testing.assert_array_equal(order(7, 14, 10), order(0, 20, 10)[7:14])


def test_order_is_well_mixed() -> None:
    """Neighbours in an epoch are as far apart as chance would have them: a third of the range on average."""
    assert np.abs(np.diff(order(0, 1000, 1000))).mean() == pytest.approx(333, rel=0.1)


def test_floats_are_those_of_the_image_convention() -> None:
    grey = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(as_floats(tf.constant(grey)), to_float(grey))


# Steps, with models whose losses are known


class Probe:
    """A model that writes down which images each step was given and whose losses are a function of the step."""

    loss_names = ("loss", "square")

    def __init__(self, num_steps: int = 50, size: int = 4, bad_steps: tuple[int, ...] = ()):
        self.settings = SimpleNamespace(images_per_step=size, batch_size=size)
        self.seen = tf.Variable(tf.zeros((num_steps, size)))
        self.seeds = tf.Variable(tf.zeros((num_steps, 2), tf.int32))
        self.bad_steps = tf.constant(bad_steps, tf.int32)

    def update(
        self, images: tf.Tensor, seed: tf.Tensor, optimizers: dict[str, Any]
    ) -> dict[str, tf.Tensor]:
        step = seed[1]
        self.seen.scatter_nd_update([[step]], [images[:, 0, 0, 0] * 255])
        self.seeds.scatter_nd_update([[step]], [seed])
        value = tf.cast(step, tf.float32)
        bad = tf.reduce_any(self.bad_steps == step)
        return {
            "loss": value,
            "square": tf.where(bad, np.inf if len(optimizers) else np.nan, value**2),
        }


def numbered(num_images: int) -> np.ndarray:
    """Returns images of one pixel, whose grey value is their number."""
    return np.arange(num_images, dtype=np.uint8).reshape(-1, 1, 1, 1)


def engine_of(model: Any, optimizers: dict[str, Any], images: np.ndarray, seed: int) -> Engine:
    return Engine(model, optimizers, Resident(images, seed), seed)


def run(engine: Engine, first_step: int, num_steps: int) -> tuple[dict[str, float], int]:
    """Returns the means of the losses over these steps, and the first bad step."""
    sums, first_bad = engine.run(first_step, num_steps, {})
    return {name: total / num_steps for name, total in sums.items()}, first_bad


def test_steps_get_their_images_and_their_seed() -> None:
    model = Probe()
    engine = engine_of(model, {}, numbered(10), seed=3)
    losses, first_bad = run(engine, 0, 5)
    np.testing.assert_allclose(model.seen[:5].numpy().ravel(), order(0, 20, 10), atol=1e-4)
    np.testing.assert_array_equal(model.seeds[:5], [[3, step] for step in range(5)])
    assert losses == {"loss": 2, "square": (0 + 1 + 4 + 9 + 16) / 5}
    assert first_bad == NO_STEP
    losses, _ = run(engine, 5, 2)
    assert losses == {"loss": 5.5, "square": (25 + 36) / 2}
    np.testing.assert_allclose(model.seen[5:7].numpy().ravel(), order(20, 28, 10), atol=1e-4)


@pytest.mark.parametrize("optimizers", [{}, {"any": None}], ids=["nan", "infinity"])
def test_first_non_finite_step_is_named(optimizers: dict[str, Any]) -> None:
    engine = engine_of(Probe(bad_steps=(7, 9)), optimizers, numbered(10), seed=3)
    assert [run(engine, *steps)[1] for steps in ((0, 7), (5, 10), (8, 2), (10, 3))] == [
        NO_STEP,
        7,
        9,
        NO_STEP,
    ]


def test_absurd_learning_rate_is_found_in_the_step_after_it() -> None:
    model = tiny_model(
        "vae", network="dense", learning_rate=1e30, learning_rate_schedule="constant"
    )
    engine = engine_of(model, model.make_optimizers(), random_images(20), seed=0)
    assert run(engine, 0, 6)[1] == 1


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("vae", {"network": "dense"}), ("gan", {"network": "convolutional", "r1_every_steps": 4})],
)
def test_steps_in_two_calls_equal_those_in_one(kind: str, changes: dict[str, Any]) -> None:
    weights = []
    for calls in ([(0, 10)], [(0, 4), (4, 6)]):
        model = tiny_model(kind, **changes)
        engine = engine_of(model, model.make_optimizers(), random_images(18), seed=5)
        for steps in calls:
            assert run(engine, *steps)[1] == NO_STEP
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_gan_averages_its_generator_once_per_step() -> None:
    class Averaging(Probe):
        def __init__(self) -> None:
            super().__init__()
            self.averaged = tf.Variable(tf.zeros(8, tf.int32))

        def average_weights(self, step: tf.Tensor) -> None:
            self.averaged.scatter_nd_add([[step]], [1])

    model = Averaging()
    engine = engine_of(model, {}, numbered(10), seed=3)
    run(engine, 0, 6)
    np.testing.assert_array_equal(model.averaged, [1] * 6 + [0] * 2)


def test_partial_sums_are_gone_on_with_to_the_bit() -> None:
    """The mean over a window does not depend on where it was interrupted."""
    whole, parts = (Probe() for _ in range(2))
    expected, _ = engine_of(whole, {}, numbered(10), seed=3).run(0, 9, {})
    engine = engine_of(parts, {}, numbered(10), seed=3)
    first, _ = engine.run(0, 4, {})
    assert engine.run(4, 5, first)[0] == expected == {"loss": 36.0, "square": 204.0}


@pytest.mark.parametrize("steps_per_block", [1, 3, 50])
def test_streamed_images_are_those_of_the_device(
    monkeypatch: pytest.MonkeyPatch, steps_per_block: int
) -> None:
    pictures, seen = random_images(18, (2, 2, 3)), []
    monkeypatch.setattr(feed, "BLOCK_BYTES", steps_per_block * 4 * 12)
    streamed = Streamed(pictures, 5, 4)
    assert streamed.steps_per_block == steps_per_block
    for each in (Resident(pictures, 5), streamed):
        model = Probe()
        Engine(model, {}, each, 5).run(0, 7, {})
        Engine(model, {}, each, 5).run(7, 4, {})
        seen.append((model.seen.numpy(), model.seeds.numpy()))
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
    assert len(np.unique(seen[0][0][:11])) > 10


def test_streamed_blocks_are_read_once_and_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BLOCK_BYTES", 8)
    streamed = Streamed(numbered(10), 3, 4)
    gathered: list[int] = []
    gather = streamed._gather
    monkeypatch.setattr(
        streamed, "_gather", lambda number: gathered.append(number) or gather(number)
    )
    Engine(Probe(), {}, streamed, 3).run(0, 8, {})
    streamed._reader.shutdown()
    assert gathered == [0, 1, 2, 3, 4], "two steps a block, four blocks, and the next one is ready"


def test_small_data_lies_on_the_device_and_large_data_is_streamed() -> None:
    pictures = random_images(10)
    assert isinstance(feed.feed(pictures, 0, 4, pictures.nbytes), Resident)
    assert isinstance(feed.feed(pictures, 0, 4, pictures.nbytes - 1), Streamed)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("autoencoder", {}),
        ("vae", {}),
        ("vae", {"num_importance_samples": 3}),
        (
            "vae",
            {"objective": "importance_weighted", "num_importance_samples": 3, "activation": "tanh"},
        ),
        ("gan", {}),
    ],
)
def test_no_gradient_has_more_than_two_parts(kind: str, changes: dict[str, Any]) -> None:
    """TensorFlow may add three parts in an order that depends on the machine's load (docs/decisions/0002)."""
    model = tiny_model(kind, **changes)
    optimizers = model.make_optimizers()
    update = tf.function(
        lambda batch: model.update(batch, tf.constant([0, 0]), optimizers), autograph=False
    )
    graph = update.get_concrete_function(tf.TensorSpec((4, 8, 8, 1))).graph
    sums = [operation for operation in graph.get_operations() if operation.type == "AddN"]
    assert len([operation for operation in sums if len(operation.inputs) > 2]) == 0
