"""The table that describes the images of a data set, one row each: what Great Expectations checks."""

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from genlab.imaging.arrays import Split

if TYPE_CHECKING:
    import pandas as pd

CHUNK_VALUES = 1 << 22  # grey values that are measured at a time


def build_table(splits: Mapping[str, Split]) -> "pd.DataFrame":
    """Returns one row per image.

    Columns: `split`, `index` (in its split), `label`, `shape` (`"28x28x1"`), `type`, `minimum`, `maximum` (0 to 255),
    `mean`, `deviation` (of the image's grey values, in [0, 1]), `sha256` (of its bytes), `class_size` (images of its
    split with its label), `class_ratio` (`class_size` over that of the smallest class of the split), `seen_before` (the
    same image is in an earlier split, in the order train, validation, test).
    """
    import pandas as pd

    table = pd.concat([_measure(split, part) for split, part in splits.items()], ignore_index=True)
    sizes = table.groupby(["split", "label"], sort=False)["index"].transform("size")
    table["class_size"] = sizes
    table["class_ratio"] = sizes / sizes.groupby(table["split"]).transform("min")
    first_split = table.groupby("sha256", sort=False)["split"].transform("first")
    table["seen_before"] = first_split != table["split"]
    return table


def _measure(split: str, part: Split) -> "pd.DataFrame":
    import pandas as pd

    num_images, *shape = part.images.shape
    step = max(1, CHUNK_VALUES // math.prod(shape))
    starts = range(0, max(1, num_images), step)
    chunks = [_measure_chunk(part.images[start : start + step]) for start in starts]
    columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    fixed = {"shape": "x".join(map(str, shape)), "type": part.images.dtype.name}
    return pd.DataFrame(
        {"split": split, "index": np.arange(num_images), "label": part.labels, **fixed, **columns}
    )


def _measure_chunk(images: np.ndarray) -> dict[str, Any]:
    values = np.ascontiguousarray(images).reshape(
        len(images), math.prod(images.shape[1:])
    )  # (n, values per image)
    grey = values.astype(np.float32) / np.float32(255)
    minimum, maximum = values.min(axis=1), values.max(axis=1)
    return {
        "minimum": minimum,
        "maximum": maximum,
        "mean": grey.mean(axis=1, dtype=np.float64),
        "deviation": np.where(
            minimum == maximum, 0.0, grey.std(axis=1, dtype=np.float64)
        ),  # exactly 0, not rounding
        "sha256": np.array([sha256(row.data).hexdigest() for row in values]),
    }
