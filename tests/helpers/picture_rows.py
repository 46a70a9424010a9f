"""Files of rows with a picture each, as Hugging Face writes them."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import ipc, parquet


def to_png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def write_rows(
    path: Path,
    images: Sequence[Any],
    labels: Sequence[Any] | None = None,
    class_names: Sequence[str] = (),
    column: str = "image",
) -> None:
    """Writes images, or cells as they are, to a parquet or arrow file; classes only if named."""
    cells = [
        {"bytes": to_png(cell), "path": None} if isinstance(cell, np.ndarray) else cell
        for cell in images
    ]
    columns: dict[str, Any] = {column: cells}
    features: dict[str, Any] = {column: {"_type": "Image"}}
    if labels is not None:
        columns["label"] = labels
        features["label"] = {"names": list(class_names), "_type": "ClassLabel"}
    table = pa.table(columns)
    if class_names:
        noted = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": noted})
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
        return
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
