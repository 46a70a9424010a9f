"""The field `inputs`: each derivation against values worked out by hand."""

import hashlib
from typing import get_args

import numpy as np
import pytest
from fixtures_models import random_images

from genlab.contract.fields import Field
from genlab.data import inputs
from genlab.settings.params import Data

COLOUR = random_images(12, (10, 7, 3))
NAMES = sorted(inputs.DERIVED)


def grey_image(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, np.uint8)[np.newaxis, ..., np.newaxis]


def test_parameter_allows_what_is_derived() -> None:
    allowed = get_args(Data.model_fields["inputs"].annotation)
    assert set(allowed) == {"none", *NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_inputs_depend_on_their_own_image_alone(name: str, channels: int) -> None:
    images = COLOUR[..., :channels]
    before = images.copy()
    whole = inputs.derive(name, 3, images)
    assert whole.dtype == np.uint8
    assert inputs.field_of(name, Field(images.shape[1:], "image")).shape == whole.shape[1:]
    assert whole.shape[:3] == images.shape[:3]
    np.testing.assert_array_equal(images, before)
    order = [5, 2, 2, 11]
    np.testing.assert_array_equal(inputs.derive(name, 3, images[order]), whole[order])


def test_grey_is_the_luma() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30], [255] * 3], np.uint8)
    luma = inputs.grey(colours.reshape(1, 1, 5, 3), 0)
    assert luma.shape == (1, 1, 5, 1)
    assert luma.ravel().tolist() == [76, 150, 29, 18, 255]  # 18.15 = 2.99 + 11.74 + 3.42
    np.testing.assert_array_equal(inputs.grey(luma, 0), luma)


def test_edges_of_steps_and_points() -> None:
    step = np.zeros((1, 6, 6, 1), np.uint8)
    step[:, :, 3:] = 100
    edge = inputs.edges(step, 0)[0, ..., 0]
    assert edge.tolist() == [[0, 0, 100, 100, 0, 0]] * 6  # (1 + 2 + 1) * 100 / 4 on both sides
    upright = inputs.edges(step.transpose(0, 2, 1, 3), 0)
    np.testing.assert_array_equal(upright[0, ..., 0], edge.T)
    point = grey_image([[0, 0, 0], [0, 40, 0], [0, 0, 0]])
    # Beside the point 2 * 40 / 4; at the corners sqrt(40^2 + 40^2) / 4 = 14.1.
    assert inputs.edges(point, 0)[0, ..., 0].tolist() == [[14, 20, 14], [20, 0, 20], [14, 20, 14]]
    assert inputs.edges(np.full((1, 4, 4, 3), 90, np.uint8), 0).max() == 0
    corner = np.zeros((1, 4, 4, 1), np.uint8)
    corner[:, 2:, 2:] = 255
    assert inputs.edges(corner, 0).max() == 255  # sqrt(2) * 3 * 255 / 4 = 270, cut


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 7, 3)])
def test_masked_hides_half_of_height_and_width(shape: tuple[int, int, int]) -> None:
    images = np.full((400, *shape), 9, np.uint8)
    images.reshape(400, -1)[:, :2] = np.stack(np.divmod(np.arange(400), 20), 1)  # all differ
    hidden = (inputs.masked(images, 5) == inputs.GREY).all(axis=-1)
    tops, lefts = hidden.any(axis=2).argmax(axis=1), hidden.any(axis=1).argmax(axis=1)
    high, wide = shape[0] // 2, shape[1] // 2
    for mask, top, left in zip(hidden, tops, lefts, strict=True):
        assert mask.sum() == high * wide
        assert mask[top : top + high, left : left + wide].all()
    assert set(tops) == set(range(shape[0] - high + 1))
    assert set(lefts) == set(range(shape[1] - wide + 1))
    digest = hashlib.sha256((5).to_bytes(4, "big") + images[0].tobytes()).digest()
    assert tops[0] == int.from_bytes(digest[:8], "big") % (shape[0] - high + 1)
    assert (inputs.masked(images, 6) != inputs.masked(images, 5)).any()


def test_small_has_the_means_of_squares() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(1, 6, 8, 1)
    small = inputs.small(image, 0)[0, ..., 0]
    # Rows 0 to 3: means 13.5 and 17.5 of columns 0 to 3 and 4 to 7, rounded up; rows 4 and 5: 37.5.
    assert small.tolist() == [[14] * 4 + [18] * 4] * 4 + [[38] * 4 + [42] * 4] * 2
    twice = inputs.small(inputs.small(COLOUR, 0), 0)
    np.testing.assert_array_equal(twice, inputs.small(COLOUR, 0))
    even = random_images(3, (8, 8, 3))
    means = even.reshape(3, 2, 4, 2, 4, 3).mean(axis=(2, 4))
    corners = inputs.small(even, 0)[:, ::4, ::4]
    np.testing.assert_allclose(corners, means, atol=0.5)
