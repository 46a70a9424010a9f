"""A data set is a set of named fields: one array per field and split, `<split>_<field>.npy`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from genlab.runtime.errors import InputError

Kind = Literal["image", "label", "factors"]
REPEAT = "Run: dvc repro fetch"
DTYPES: dict[str, type] = {"image": np.uint8, "label": np.int64, "factors": np.float32}
"""Type of a field on disk, by kind. Models take float32 in [0, 1], int32 and float32."""


class Field(NamedTuple):
    """One field of a data set.

    Attributes:
        shape: Shape of one example: (28, 28, 1) an image, () a label, (6,) factors.
        kind: What the values mean: `image` (uint8 on disk), `label` (int64) or `factors` (float32).
        class_names: Names of a label's values, or of the factors, in order.
        aligned: Whether row i belongs to row i of `images`. If not, it is shuffled on its own.
    """

    shape: tuple[int, ...]
    kind: Kind
    class_names: tuple[str, ...] = ()
    aligned: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns the field in the form of `dataset.json` and `settings.json`."""
        return self._asdict() | {"shape": list(self.shape), "class_names": list(self.class_names)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Field":
        """Reverses `to_json`."""
        shape = tuple(values["shape"])
        return cls(shape, values["kind"], tuple(values["class_names"]), values["aligned"])


Spec = Mapping[str, Field]
"""The fields of a data set by name; `images` is always there."""
Arrays = Mapping[str, np.ndarray]
"""By field an array (n, *shape)."""


def labelled_images(shape: tuple[int, int, int], class_names: Iterable[str]) -> dict[str, Field]:
    """Returns the fields of images (height, width, channels) and their classes, if any."""
    spec, names = {"images": Field(shape, "image")}, tuple(class_names)
    return spec | ({"labels": Field((), "label", names)} if names else {})


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """Returns the fields as JSON."""
    return {name: field.to_json() for name, field in spec.items()}


def spec_from_json(fields: Mapping[str, Any]) -> dict[str, Field]:
    """Reverses `spec_to_json`."""
    return {name: Field.from_json(values) for name, values in fields.items()}


def read_arrays(folder: Path, split: str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Opens some fields of one split of a fetched data set, memory-mapped.

    Args:
        folder: The fetched data set.
        split: `train`, `validation` or `test`.
        names: The fields.

    Returns:
        By name an array (n, *shape) with the type in `DTYPES`.

    Raises:
        InputError: The folder lacks one of the files.
    """
    paths = {name: _fetched(folder, f"{split}_{name}.npy") for name in names}
    return {name: _opened(path) for name, path in paths.items()}


def _opened(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:  # half of it
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} must be whole", reason, REPEAT)


def read_description(folder: Path) -> dict[str, Any]:
    """Returns `dataset.json`: what is known of a fetched data set.

    It has `name`, `image_shape`, `class_names`, `fields`, `num_images` per split, `sha256` of all
    arrays, `licence`, `citation`, and `held_out_classes`: the names of classes that train and
    validation lack.

    Raises:
        InputError: The folder holds no data set.
    """
    path = _fetched(folder, "dataset.json")
    try:
        description = json.loads(path.read_text())
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(description, dict) or "image_shape" not in description:
        raise _damaged(path, "no description of a data set")
    return description


def read_spec(folder: Path) -> dict[str, Field]:
    """Returns the fields of a fetched data set.

    Raises:
        InputError: The folder holds no data set.
    """
    description = read_description(folder)
    if "fields" in description:
        return spec_from_json(description["fields"])
    return labelled_images(tuple(description["image_shape"]), description["class_names"])


def _fetched(folder: Path, name: str) -> Path:
    path = Path(folder) / name
    if path.is_file():
        return path
    raise InputError(f"{path} must be a file of a fetched data set", "no such file", REPEAT)
