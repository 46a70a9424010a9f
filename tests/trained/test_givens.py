"""What images are given, as a user says it, becomes arrays; what is wrong gets one line."""

from typing import Any

import numpy as np
import pytest

from genlab.contract.fields import Field
from genlab.runtime.errors import InputError
from genlab.trained.givens import given_arrays

SPEC = {
    "labels": Field((), "label", ("cat", "dog", "7")),
    "inputs": Field((2, 2, 1), "image"),
    "factors": Field((2,), "factors"),
}
PICTURES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("labels", 1, [1, 1, 1]),
        ("labels", "dog", [1, 1, 1]),
        ("labels", ["dog", 0, "2"], [1, 0, 2]),
        ("labels", np.array([2, 0, 1], np.int32), [2, 0, 1]),
        ("labels", "7", [2, 2, 2]),  # a text is a name first, a number is a label
        ("inputs", PICTURES, PICTURES),
        ("inputs", PICTURES[1], [PICTURES[1]] * 3),
        ("factors", [0.5, 1], [[0.5, 1]] * 3),
    ],
)
def test_givens_are_one_for_all_or_one_each(name: str, values: Any, expected: Any) -> None:
    array = given_arrays((name,), SPEC, 3, {name: values})[name]
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == {"labels": np.int64, "inputs": np.uint8, "factors": np.float32}[name]


@pytest.mark.parametrize(
    ("names", "given", "expected", "received"),
    [
        (("labels",), {}, "the model must be given labels", "nothing"),
        ((), {"labels": 1}, "the model must be given nothing", "labels"),
        (
            ("labels",),
            {"labels": 1, "inputs": 2},
            "the model must be given labels",
            "labels, inputs",
        ),
        (
            ("labels",),
            {"labels": "doc"},
            "labels must be among cat, dog, 7 (nearest: 'dog')",
            "doc",
        ),
        (("labels",), {"labels": 3}, "labels must be among cat, dog, 7", "3"),
        (("labels",), {"labels": 7}, "labels must be among cat, dog, 7 (nearest: '7')", "7"),
        (("labels",), {"labels": -1}, "labels must be among cat, dog, 7", "-1"),
        (("labels",), {"labels": 1.5}, "labels must be among cat, dog, 7", "1.5"),
        (("labels",), {"labels": [0, 1]}, "labels must have the shape (3,)", "(2,)"),
        (
            ("inputs",),
            {"inputs": PICTURES[:2]},
            "inputs must have the shape (3, 2, 2, 1)",
            "(2, 2, 2, 1)",
        ),
        (("inputs",), {"inputs": PICTURES / 255}, "inputs must be uint8", "float64"),
    ],
)
def test_wrong_givens_are_refused(
    names: tuple[str, ...], given: dict[str, Any], expected: str, received: str
) -> None:
    with pytest.raises(InputError) as caught:
        given_arrays(names, SPEC, 3, given)
    assert (caught.value.expected, caught.value.received) == (expected, received)
