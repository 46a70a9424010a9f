"""The tables that describe a data set: what Great Expectations checks."""

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from genlab.contract.fields import Arrays, Field, Spec
from genlab.imaging.arrays import Split

if TYPE_CHECKING:
    import pandas as pd

CHUNK_VALUES = 1 << 22  # that are measured at a time


def image_table(
    splits: Mapping[str, Split], names: Mapping[str, Sequence[str]] | None = None
) -> "pd.DataFrame":
    """Returns one row per image.

    Args:
        splits: The images.
        names: By split the file of each image, if it is known.

    Columns:
        split, index: `index` is its row in the split.
        file: If `names` are given.
        label: -1 if it has none.
        shape, type: `"28x28x1"`, `"uint8"`.
        minimum, maximum: Of its grey values, 0 to 255.
        mean, deviation: Of its grey values, in [0, 1].
        sha256: Of its bytes.
        class_size: Images of its split with its label.
        class_ratio: `class_size` over that of the smallest class of the split.
        seen_before: Whether an earlier split has the same image; in the order of `splits`.
    """
    import pandas as pd

    table = pd.concat([_measure(split, part) for split, part in splits.items()], ignore_index=True)
    if names:
        table.insert(2, "file", [name for split in splits for name in names[split]])
    sizes = table.groupby(["split", "label"], sort=False)["index"].transform("size")
    table["class_size"] = sizes
    table["class_ratio"] = sizes / sizes.groupby(table["split"]).transform("min")
    first_split = table.groupby("sha256", sort=False)["split"].transform("first")
    table["seen_before"] = first_split != table["split"]
    return table


def _measure(split: str, part: Split) -> "pd.DataFrame":
    import pandas as pd

    chunks = [_measure_images(chunk) for chunk in _chunks(part.images)]
    columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    columns = {"index": np.arange(len(part.images)), "label": part.labels, **columns}
    return pd.DataFrame({"split": split, **_form(part.images), **columns})


def _form(array: np.ndarray) -> dict[str, str]:
    return {"shape": "x".join(map(str, array.shape[1:])) or "numbers", "type": array.dtype.name}


def _chunks(array: np.ndarray) -> list[np.ndarray]:
    """Returns views of some rows each; of an empty array one empty view."""
    size = max(1, CHUNK_VALUES // max(1, math.prod(array.shape[1:])))
    return [array[start : start + size] for start in range(0, max(1, len(array)), size)]


def _measure_images(images: np.ndarray) -> dict[str, np.ndarray]:
    values = np.ascontiguousarray(images).reshape(len(images), math.prod(images.shape[1:]))
    grey = values.astype(np.float32) / np.float32(255)
    minimum, maximum = values.min(axis=1), values.max(axis=1)
    deviation = grey.std(axis=1, dtype=np.float64)
    return {
        "minimum": minimum,
        "maximum": maximum,
        "mean": grey.mean(axis=1, dtype=np.float64),
        "deviation": np.where(minimum == maximum, 0.0, deviation),  # exactly 0, no rounding
        "sha256": np.array([sha256(row.data).hexdigest() for row in values]),
    }


def field_table(splits: Mapping[str, Arrays], spec: Spec) -> "pd.DataFrame":
    """Returns one row per split and field other than images and labels.

    Columns:
        split, index: `index` is the field's name.
        complete: Whether it has a row for every image, or any row if it is not aligned.
        shape, type: As of images.
        in_range: Whether images are in 0 to 255, labels those of classes, and factors finite.
    """
    import pandas as pd

    rows = [
        {
            "split": split,
            "index": name,
            "complete": len(arrays[name]) == len(arrays["images"])
            if field.aligned
            else len(arrays[name]) > 0,
            "in_range": all(_in_range(chunk, field) for chunk in _chunks(arrays[name])),
            **_form(arrays[name]),
        }
        for split, arrays in splits.items()
        for name, field in spec.items()
        if name not in Split._fields
    ]
    return pd.DataFrame(rows)


def _in_range(values: np.ndarray, field: Field) -> bool:
    if field.kind == "factors":
        return bool(np.isfinite(values).all())
    end = 256 if field.kind == "image" else len(field.class_names)
    return bool(np.all((values >= 0) & (values < end)))
