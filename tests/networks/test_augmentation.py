"""Differentiable augmentation, against images that were worked out by hand."""

from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import tiny_settings

from genlab.networks import augmentation
from genlab.runtime.errors import InputError

SEED = (3, 5)
NAMES = ["colour", "translation", "cutout"]


def factors(*values: float) -> tf.Tensor:
    return tf.reshape(tf.constant(values), (-1, 1, 1, 1))


def grey(*rows: list[float]) -> tf.Tensor:
    """Returns one grey image."""
    return tf.constant(rows, tf.float32)[tf.newaxis, :, :, tf.newaxis]


def whole(*values: int) -> tf.Tensor:
    return tf.constant(values, tf.int32)


def test_every_name_is_in_the_table() -> None:
    assert list(get_args(augmentation.Name)) == list(augmentation.AUGMENTATIONS) == NAMES


def test_unknown_augmentations_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        tiny_settings("gan", augmentations=["cutout", "color"])
    expected = "augmentations[1] must be 'colour', 'translation' or 'cutout'"
    assert caught.value.expected == expected


def test_nothing_is_changed_where_nothing_is_named() -> None:
    images = grey([0.1, 0.9])
    assert augmentation.augment(images, [], SEED) is images


# Colour


def test_grey_image_gets_brightness_and_contrast() -> None:
    """Brightened by 0.1: 0.2, 0.4, 0.9; around the mean 0.5, distances -0.3, -0.1, 0.4 double."""
    image, brighter = grey([0.1, 0.3, 0.8]), factors(0.1)
    coloured = augmentation.colour(image, brighter, factors(0.0), factors(2.0))
    np.testing.assert_allclose(coloured, grey([-0.1, 0.3, 1.3]), atol=1e-6)


def test_colour_image_gets_saturation_as_well() -> None:
    """Channel means 0.4 and 0.8; halved distances; doubled around the mean 0.6; 0.2 darker."""
    images = tf.constant([[[[0.2, 0.4, 0.6], [1.0, 0.8, 0.6]]]])
    saturated = augmentation.colour(images, factors(0.0), factors(0.5), factors(1.0))
    np.testing.assert_allclose(saturated, [[[[0.3, 0.4, 0.5], [0.9, 0.8, 0.7]]]], atol=1e-6)
    everything = augmentation.colour(images, factors(-0.2), factors(0.5), factors(2.0))
    np.testing.assert_allclose(everything, [[[[-0.2, 0.0, 0.2], [1.0, 0.8, 0.6]]]], atol=1e-6)


def test_images_do_not_mix() -> None:
    images = tf.concat([grey([0.1, 0.3, 0.8]), grey([0.0, 0.0, 0.6])], axis=0)
    coloured = augmentation.colour(images, factors(0.1, 0.0), factors(1.0, 1.0), factors(2.0, 0.0))
    expected = [[-0.1, 0.3, 1.3], [0.2, 0.2, 0.2]]
    np.testing.assert_allclose(coloured[:, 0, :, 0], expected, atol=1e-6)


# Translation

IMAGE = grey([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
MOVED = {
    (0, 0): [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
    (1, 0): [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]],
    (-1, 0): [[0.4, 0.5, 0.6], [0.5, 0.5, 0.5]],
    (0, 2): [[0.5, 0.5, 0.1], [0.5, 0.5, 0.4]],
    (1, -1): [[0.5, 0.5, 0.5], [0.2, 0.3, 0.5]],
    (5, 0): [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
}


@pytest.mark.parametrize(("down", "right"), MOVED)
def test_translation_by_hand(down: int, right: int) -> None:
    moved = augmentation.translate(IMAGE, whole(down), whole(right))
    np.testing.assert_allclose(moved, grey(*MOVED[down, right]))


def test_each_image_is_moved_by_its_own_way_and_channels_stay_together() -> None:
    images = tf.reshape(tf.range(2 * 1 * 2 * 3, dtype=tf.float32), (2, 1, 2, 3))
    moved = augmentation.translate(images, whole(0, 0), whole(1, -1))
    np.testing.assert_allclose(moved, [[[[0.5] * 3, [0, 1, 2]]], [[[9, 10, 11], [0.5] * 3]]])


def test_gradient_of_a_translation_is_moved_back() -> None:
    weights = grey([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    with tf.GradientTape() as tape:
        tape.watch(IMAGE)
        total = tf.reduce_sum(weights * augmentation.translate(IMAGE, whole(1), whole(-1)))
    np.testing.assert_allclose(tape.gradient(total, IMAGE), grey([0, 4, 5], [0, 0, 0]))


# Cutout


@pytest.mark.parametrize(
    ("row", "column", "rows", "columns"),
    [
        (2, 3, (1, 3), (2, 4)),
        (0, 0, (0, 1), (0, 1)),
        (4, 5, (3, 4), (4, 5)),
        (1, 4, (0, 2), (3, 5)),
    ],
)
def test_cutout_by_hand(
    row: int, column: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """An image of 4 x 5 loses a box of 2 x 2, which begins one row and column before its centre."""
    expected = np.ones((1, 4, 5, 3))
    expected[:, slice(*rows), slice(*columns)] = 0.5
    cut = augmentation.cut_out(tf.ones((1, 4, 5, 3)), whole(row), whole(column))
    np.testing.assert_array_equal(cut, expected)


def test_each_image_has_a_box_of_its_own() -> None:
    cut = augmentation.cut_out(tf.ones((2, 2, 2, 1)), whole(0, 1), whole(1, 0))
    np.testing.assert_array_equal(cut[..., 0], [[[1, 0.5], [1, 1]], [[1, 1], [0.5, 1]]])


# Draws

NUM_IMAGES = 4000


def augmented(images: np.ndarray, name: Any, seed: tuple[int, int] = SEED) -> np.ndarray:
    images = augmentation.augment(tf.constant(images, tf.float32), [name], seed)
    return np.asarray(images, np.float64)


def assert_equally_likely(values: np.ndarray, expected: Any) -> None:
    """Checks that values are those expected, which are sorted, each about as often."""
    kinds, counts = np.unique(values, axis=0, return_counts=True)
    np.testing.assert_array_equal(kinds, expected)
    assert counts * len(kinds) / NUM_IMAGES == pytest.approx(1, abs=0.2)


def test_ways_are_up_to_an_eighth_and_equally_likely() -> None:
    """A pixel holds 100 times its row plus its column; the centre says what came there."""
    numbered = 100 * np.arange(16)[:, None] + np.arange(24)
    images = np.tile(numbered[None, :, :, None], (NUM_IMAGES, 1, 1, 1))
    centres = augmented(images, "translation")[:, 8, 12, 0]
    rows, columns = centres // 100, centres % 100
    assert_equally_likely(8 - rows, range(-2, 3))
    assert_equally_likely(12 - columns, range(-3, 4))
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.06


def test_boxes_are_anywhere_up_to_the_edge() -> None:
    """A box of 2 x 3 in 4 x 6: its centre is in any row from 0 to 4 and any column from 0 to 5."""
    boxes = augmented(np.ones((NUM_IMAGES, 4, 6, 1)), "cutout")[..., 0] == 0.5
    assert boxes.any(axis=(1, 2)).all()
    of_rows = ["0001", "0011", "0110", "1000", "1100"]
    of_columns = ["000011", "000111", "001110", "011100", "110000", "111000"]
    for axis, kinds in ((2, of_rows), (1, of_columns)):
        expected = [[int(digit) for digit in kind] for kind in kinds]
        assert_equally_likely(boxes.any(axis=axis), expected)


def test_colours_are_drawn_from_the_ranges_of_the_paper() -> None:
    images = np.tile(np.array([[[[0.1, 0.2, 0.6], [0.5, 0.5, 0.5]]]]), (NUM_IMAGES, 1, 1, 1))
    images = augmented(images, "colour")
    brightness = images.mean(axis=(1, 2, 3)) - 0.4
    contrast = (images[:, 0, 1].mean(axis=1) - images[:, 0, 0].mean(axis=1)) / 0.2
    saturation = (images[:, 0, 0, 2] - images[:, 0, 0, 0]) / 0.5 / contrast
    draws = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    bounds = {"brightness": (-0.25, 0.25), "contrast": (0.5, 1.5), "saturation": (0.0, 2.0)}
    for name, (low, high) in bounds.items():
        shares = (draws[name] - low) / (high - low)
        assert shares.min() == pytest.approx(0, abs=5e-3), name
        assert shares.max() == pytest.approx(1, abs=5e-3), name
        assert shares.mean() == pytest.approx(0.5, abs=0.02), name
    assert np.abs(np.corrcoef(list(draws.values())) - np.eye(3)).max() < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_those_of_the_seed(name: str) -> None:
    images = np.random.default_rng(0).random((4, 16, 16, 3))
    first = augmented(images, name)
    np.testing.assert_array_equal(first, augmented(images, name))
    assert not np.array_equal(first, augmented(images, name, (3, 6)))


def test_augmentations_follow_each_other() -> None:
    """What was cut out keeps its grey only if nothing else follows."""
    images = tf.zeros((4, 8, 8, 1))
    cut_last, cut_first = (
        np.asarray(augmentation.augment(images, names, SEED))
        for names in (["colour", "cutout"], ["cutout", "colour"])
    )
    assert (cut_last == 0.5).any(axis=(1, 2, 3)).all()
    assert not (cut_first == 0.5).any()


@pytest.mark.parametrize("name", NAMES)
def test_gradient_flows_to_the_images(name: str) -> None:
    images = tf.constant(np.random.default_rng(0).random((3, 8, 8, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(tf.square(augmentation.augment(images, [name], SEED)))
    gradient = np.asarray(tape.gradient(total, images))
    step = 1e-2 * np.random.default_rng(1).standard_normal(images.shape).astype(np.float32)
    above, below = (
        np.square(augmented(np.asarray(images) + sign * step, name)).sum() for sign in (1, -1)
    )
    assert abs(above - below) > 0.01
    assert np.vdot(gradient, step) == pytest.approx((above - below) / 2, rel=1e-3)
