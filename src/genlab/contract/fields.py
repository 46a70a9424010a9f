"""A data set is named fields, one array per field and split: `<split>_<field>.npy` on disk."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from genlab.runtime.errors import InputError

Kind = Literal["image", "label", "factors"]
DTYPES: dict[str, type] = {"image": np.uint8, "label": np.int64, "factors": np.float32}
"""Of an array on disk, by kind. Models get float32 in [0, 1], int32 and float32."""


class Field(NamedTuple):
    """One field of a data set.

    Attributes:
        shape: Of one example: (28, 28, 1) an image, () a label, (6,) factors.
        kind: What the values mean: `image` (uint8 on disk), `label` (int64) or `factors` (float32).
        class_names: Of a label, by its value.
        aligned: Whether row i belongs to row i of `images`; if not, it is shuffled by itself.
    """

    shape: tuple[int, ...]
    kind: Kind
    class_names: tuple[str, ...] = ()
    aligned: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns the field as `dataset.json` and `settings.json` hold it."""
        return self._asdict() | {"shape": list(self.shape), "class_names": list(self.class_names)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Field":
        """Returns the field that `to_json` wrote."""
        shape, names = tuple(values["shape"]), tuple(values["class_names"])
        return cls(shape, values["kind"], names, values["aligned"])


Spec = Mapping[str, Field]
"""The fields of a data set by name; `images` is always there."""


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """Returns the fields as JSON."""
    return {name: field.to_json() for name, field in spec.items()}


def spec_from_json(fields: Mapping[str, Any]) -> dict[str, Field]:
    """Returns the fields that `spec_to_json` wrote."""
    return {name: Field.from_json(values) for name, values in fields.items()}


def read_arrays(folder: Path, split: str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Opens some fields of one split of a fetched data set, memory-mapped.

    Args:
        folder: The fetched data set.
        split: `train`, `validation` or `test`.
        names: Of the fields.

    Returns:
        By name an array (n, *shape) of the dtype in `DTYPES`.

    Raises:
        InputError: The folder lacks one of the files.
    """
    return {name: _open(Path(folder) / f"{split}_{name}.npy") for name in names}


def read_spec(folder: Path) -> dict[str, Field]:
    """Returns the fields of a fetched data set.

    Raises:
        InputError: The folder describes no data set.
    """
    path = Path(folder) / "dataset.json"
    if not path.is_file():
        raise InputError(
            f"{path} must describe a fetched data set", "no such file", "Run: dvc repro fetch"
        )
    description = json.loads(path.read_text())
    if "fields" in description:
        return spec_from_json(description["fields"])
    spec = {"images": Field(tuple(description["image_shape"]), "image")}
    names = tuple(description["class_names"])
    return spec | ({"labels": Field((), "label", names)} if names else {})


def _open(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(
            f"{path} must be a field of a fetched data set", "no such file", "Run: dvc repro fetch"
        )
    return np.load(path, mmap_mode="r", allow_pickle=False)
