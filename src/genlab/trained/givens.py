"""Checks the fields that a user gives a generator, and turns them into arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genlab.contract.fields import DTYPES, Field, Spec
from genlab.runtime.errors import InputError
from genlab.settings.plugins import nearest


def given_arrays(
    names: tuple[str, ...], spec: Spec, num_images: int, given: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Returns by field an array (num_images, *shape) of the type that it has on disk.

    Args:
        names: The fields that the model must be given.
        spec: The data set's fields.
        num_images: Number of rows.
        given: By field one value for all images, or one per image. A label is a number or a class
            name.

    Raises:
        InputError: A field is missing, unknown or of another shape, or a class is unknown.
    """
    if set(given) != set(names):
        raise InputError(
            f"the model must be given {', '.join(names) or 'nothing'}",
            ", ".join(given) or "nothing",
            "See the given fields",
        )
    return {name: _rows(name, spec[name], num_images, given[name]) for name in names}


def _rows(name: str, field: Field, num_images: int, values: Any) -> np.ndarray:
    array = labels_of(field, values) if field.kind == "label" else np.asarray(values)
    if array.shape == field.shape:
        array = np.broadcast_to(array, (num_images, *field.shape))
    if array.shape != (num_images, *field.shape):
        raise InputError(
            f"{name} must have the shape {(num_images, *field.shape)}",
            str(array.shape),
            f"See {name}",
        )
    if field.kind == "image" and array.dtype != np.uint8:
        raise InputError(f"{name} must be uint8", str(array.dtype), f"See {name}")
    return array.astype(DTYPES[field.kind])


def labels_of(field: Field, values: Any) -> np.ndarray:
    """Returns labels, int64, from numbers or texts, one or many.

    A number is a label. A text is the name of a class, or else a number.

    Raises:
        InputError: There is no such class.
    """
    labels = [_label(value, list(field.class_names)) for value in np.ravel(values).tolist()]
    return np.reshape(np.array(labels, np.int64), np.shape(values))


def _label(value: Any, names: list[str]) -> int:
    text = str(value)
    if isinstance(value, str) and value in names:
        return names.index(value)
    if text.isdigit() and int(text) < len(names):
        return int(text)
    raise InputError(
        f"labels must be among {', '.join(names)}{nearest(text, names)}", text, "See labels"
    )
