"""What a user gives for labels becomes the labels that are meant."""

from typing import Any

import numpy as np
import pytest

from genlab.contract.fields import Field
from genlab.runtime.errors import InputError
from genlab.trained.givens import labels_of

SHIFTED = Field((), "label", ("1", "2", "cat"))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (1, 1),
        (np.array([0, 1, 2]), [0, 1, 2]),
        ("1", 0),
        (["2", "cat", "0"], [1, 2, 0]),
    ],
)
def test_a_number_is_a_label_and_a_text_is_first_a_name(values: Any, labels: Any) -> None:
    result = labels_of(SHIFTED, values)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, labels)


@pytest.mark.parametrize("value", [3, -1, 1.5, "cta", "7"])
def test_an_unknown_class_is_refused_with_the_list(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        labels_of(SHIFTED, value)
    assert caught.value.expected.startswith("labels must be among 1, 2, cat")
    assert caught.value.received == str(value)
