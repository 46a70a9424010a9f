"""The order of the examples, on the device and streamed, over phases."""

import math

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images
from hypothesis import given, settings
from hypothesis import strategies as st

from genlab.contract.fields import Field
from genlab.contract.steps import Phase
from genlab.training import feed
from genlab.training.feed import Examples, Resident, Streamed, examples, shuffled

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**31 - 1)
PHASES = st.lists(
    st.builds(Phase, st.integers(1, 5), st.integers(1, 7), st.integers(1, 3)),
    min_size=1,
    max_size=3,
)


def order(start: int, stop: int, num_examples: int, seed: int = 3) -> np.ndarray:
    return shuffled(tf.range(start, stop, dtype=tf.int64), num_examples, seed).numpy()


# The shuffle


@QUICK
@given(st.integers(1, 300), SEEDS, st.integers(0, 1000))
def test_every_epoch_has_each_example_once(num_examples: int, seed: int, epoch: int) -> None:
    start = epoch * num_examples
    rows = order(start, start + num_examples, num_examples, seed)
    np.testing.assert_array_equal(np.sort(rows), np.arange(num_examples))


@QUICK
@given(st.integers(1, 50), SEEDS, st.integers(0, 120), st.integers(1, 60))
def test_order_depends_on_the_position_alone(
    num_examples: int, seed: int, start: int, length: int
) -> None:
    """A batch that spans two epochs has the end of one and the start of the next."""
    whole = order(0, start + length, num_examples, seed)
    np.testing.assert_array_equal(order(start, start + length, num_examples, seed), whole[start:])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = np.split(order(0, 200, 100), 2)
    other = order(0, 100, 100, seed=4)
    for one, another in ((first, second), (first, other), (first, np.arange(100))):
        assert (one == another).mean() < 0.1


def test_order_is_well_mixed() -> None:
    """Neighbours in an epoch are as far apart as chance has them: a third of the range."""
    assert np.abs(np.diff(order(0, 1000, 1000))).mean() == pytest.approx(333, rel=0.1)


# Feeds over phases


def fields_of(num_examples: int, num_others: int) -> tuple[dict[str, np.ndarray], dict[str, Field]]:
    """Returns images and labels that are numbered alike, and others that are not aligned."""
    arrays = {
        "images": np.arange(num_examples, dtype=np.uint8).reshape(-1, 1, 1, 1),
        "labels": np.arange(num_examples),
        "inputs": np.arange(num_others, dtype=np.uint8).reshape(-1, 1, 1, 1),
    }
    spec = {
        "images": Field((1, 1, 1), "image"),
        "labels": Field((), "label", tuple(map(str, range(num_examples)))),
        "inputs": Field((1, 1, 1), "image", aligned=False),
    }
    return arrays, spec


def drawn(source: Examples, first_step: int = 0) -> dict[str, np.ndarray]:
    """Returns all rows that the steps of a training take, in their order."""
    batches = []
    for index, (phase, stream) in enumerate(zip(source.phases, source.feeds, strict=True)):
        size = stream.steps_per_block or phase.steps
        for step in range(phase.steps):
            if source.first_step(index) + step >= first_step:
                start = source.position(source.first_step(index) + step)
                positions = tf.range(start, start + phase.images_per_step, dtype=tf.int64)
                number = step // size
                batches.append(
                    stream.take(stream.block(number), positions, tf.constant(number, tf.int64))
                )
    return {name: np.concatenate([b[name] for b in batches]).ravel() for name in batches[0]}


@QUICK
@given(st.integers(1, 40), st.integers(1, 40), SEEDS, PHASES, st.integers(1, 400))
def test_examples_go_on_over_phases_on_the_device_and_streamed(
    num_examples: int, num_others: int, seed: int, phases: list[Phase], block_bytes: int
) -> None:
    arrays, spec = fields_of(num_examples, num_others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "BLOCK_BYTES", block_bytes)
        resident, streamed = (examples(arrays, spec, seed, phases, size) for size in (math.inf, 0))
        rows, again = drawn(resident), drawn(streamed)
        later = drawn(streamed, first_step=sum(phase.steps for phase in phases) - 1)
    total = sum(phase.steps * phase.images_per_step for phase in phases)
    np.testing.assert_array_equal(rows["images"], order(0, total, num_examples, seed))
    np.testing.assert_array_equal(rows["labels"], rows["images"])
    for size, name in ((num_examples, "images"), (num_others, "inputs")):
        for start in range(0, total - size + 1, size):  # also where a phase ends in an epoch
            epoch = np.sort(rows[name][start : start + size])
            np.testing.assert_array_equal(epoch, np.arange(size))
    for name, values in rows.items():
        np.testing.assert_array_equal(again[name], values)
        np.testing.assert_array_equal(later[name], values[-phases[-1].images_per_step :])


def test_unaligned_fields_have_an_order_of_their_own() -> None:
    rows = drawn(examples(*fields_of(100, 100), 3, [Phase(1, 100)]))
    assert (rows["inputs"] == rows["images"]).mean() < 0.1


def test_steps_and_positions_of_phases_by_hand() -> None:
    phases = [Phase(3, 4), Phase(2, 5, 2), Phase(1, 1)]
    source = examples(*fields_of(10, 10), 3, phases)
    steps = range(6)
    assert [source.phase_of(step) for step in steps] == [0, 0, 0, 1, 1, 2]
    assert [source.end_of_phase(step) for step in steps] == [3, 3, 3, 5, 5, 6]
    assert [source.position(step) for step in steps] == [0, 4, 8, 12, 22, 32]
    assert [source.first_step(phase) for phase in range(3)] == [0, 3, 5]


# Streaming


def test_streamed_blocks_are_read_once_and_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, spec = fields_of(10, 10)
    monkeypatch.setattr(feed, "BLOCK_BYTES", 2 * 4 * 10)  # two steps of four examples of 10 bytes
    source = examples(arrays, spec, 3, [Phase(8, 4)], 0)
    (streamed,) = source.feeds
    blocks: list[int] = []
    read = streamed._read
    monkeypatch.setattr(streamed, "_read", lambda number: blocks.append(number) or read(number))
    assert streamed.steps_per_block == 2
    drawn(source)
    streamed._reader.shutdown()
    assert blocks == [0, 1, 2, 3, 4], "four blocks, and the next one is ready"


def test_small_data_lies_on_the_device_and_large_data_is_streamed() -> None:
    arrays, spec = {"images": random_images(10)}, {"images": Field((8, 8, 1), "image")}
    size = arrays["images"].nbytes
    for limit, kind in ((size, Resident), (size - 1, Streamed)):
        assert isinstance(examples(arrays, spec, 0, [Phase(1, 4)], limit).feeds[0], kind)
