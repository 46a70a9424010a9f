"""The user's own images in memory as a data set: splits, labels, classes."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from genlab.contract.fields import Arrays, labelled_images
from genlab.data import splitting
from genlab.data.declaration import RawSplits
from genlab.runtime.errors import InputError

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""What a word in the name of a folder, a file or an array means."""


def split_in(name: str) -> str:
    """Returns the split that the words of a name tell; "" if they tell none, or several."""
    meanings = set(splits_in(name))
    return meanings.pop() if len(meanings) == 1 else ""


def splits_in(name: str) -> list[str]:
    """Returns the splits that the words of a name tell, in their order."""
    words = re.split(r"[^a-z]+", name.lower())
    return [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]


def assemble(
    parts: Mapping[str, Arrays],
    class_names: Sequence[str],
    test_share: float,
    seed: int,
    where: str,
) -> RawSplits:
    """Returns splits as they are, or with a test split that a hash of each image chooses.

    Args:
        parts: By split `images`, uint8 (n, height, width, channels), and perhaps `labels`, of any
            values.
        class_names: If there are any, labels are their indices; else classes are the labels.
        test_share: Of train, where there is no test split.
        seed: Of that choice.
        where: What the user gave, for errors: `"See params.yaml: data.directory"`.

    Raises:
        InputError: There is no train split, sizes differ, or labels are missing or wrong.
    """
    if "train" not in parts:
        raise InputError("there must be images for train", ", ".join(parts) or "none", where)
    shape = _shape(parts, where)
    names, labels = _labels(parts, class_names, where)
    whole = {split: {"images": fields["images"]} for split, fields in parts.items()}
    for split, numbers in labels.items():
        whole[split]["labels"] = numbers
    fields, validation = labelled_images(shape, names), whole.get("validation")
    if "test" in whole:
        return RawSplits(fields, whole["train"], whole["test"], validation)
    return RawSplits(fields, *splitting.carve(whole["train"], test_share, seed), validation)


def _shape(parts: Mapping[str, Arrays], where: str) -> tuple[int, int, int]:
    shapes = {split: fields["images"].shape[1:] for split, fields in parts.items()}
    height, width, channels = shapes["train"]
    if len(set(shapes.values())) > 1:
        received = ", ".join(f"{'x'.join(map(str, s))} in {split}" for split, s in shapes.items())
        raise InputError("images of all splits must have one shape", received, where)
    return height, width, channels


def _labels(
    parts: Mapping[str, Arrays], class_names: Sequence[str], where: str
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Returns the names of the classes, and by split the index of each image's own."""
    given = {split: part["labels"] for split, part in parts.items() if "labels" in part}
    if not given:
        return [], {}
    if missing := [split for split in parts if split not in given]:
        raise InputError(
            "labels must be given for all splits or none", f"none for {missing[0]}", where
        )
    columns = {
        split: _column(split, values, len(parts[split]["images"]), where)
        for split, values in given.items()
    }
    if class_names:
        return list(class_names), {
            split: _indices(split, values, len(class_names), where)
            for split, values in columns.items()
        }
    known, numbers = np.unique(np.concatenate(list(columns.values())), return_inverse=True)
    ends = np.cumsum([len(values) for values in columns.values()])[:-1]
    return [str(name) for name in known], dict(zip(columns, np.split(numbers, ends), strict=True))


def _column(split: str, values: np.ndarray, number: int, where: str) -> np.ndarray:
    column = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if column.shape != (number,) or column.dtype.kind not in "iubUT":
        raise InputError(
            f"labels of {split} must be {number} integers or texts, one for each image",
            f"the shape {values.shape}, the type {values.dtype}",
            where,
        )
    return column


def _indices(split: str, values: np.ndarray, number: int, where: str) -> np.ndarray:
    is_number = values.dtype.kind in "iub"
    if not is_number or values.min() < 0 or values.max() >= number:
        received = f"{values.min()} to {values.max()}" if is_number else f"{values.dtype}"
        expected = (
            f"labels of {split} must be from 0 to {number - 1}, as there are {number} classes"
        )
        raise InputError(expected, received, where)
    return values.astype(np.int64)
