"""Hugging Face: pictures in a folder of parquet files, or in one that `save_to_disk` wrote.

The words train, test and validation in the names of files and folders are the splits; without a
test split a hash of each image chooses it. The column of pictures and that of classes are those of
the types `Image` and `ClassLabel`, or those called `image` and `label`. With
`params.yaml: data.hub_name` the package `datasets` fetches the folder from the Hub, once.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genlab.data import own_splits
from genlab.data.declaration import Profile, RawSplits
from genlab.data.picture_files import WHERE, located
from genlab.imaging import arrays, decoding
from genlab.runtime import progress
from genlab.runtime.errors import InputError, one_line
from genlab.runtime.files import replacing
from genlab.settings.params import Data

if TYPE_CHECKING:
    import pyarrow as pa

FILES = None  # they are the user's, or the Hub's
LICENCE = "the user's own"
CITATION = "the user's own images"
PROFILE = Profile()

WHERE_HUB = "See params.yaml: data.hub_name"
WHERE_SIZE = "See params.yaml: data.image_size"
BATCH_ROWS = 256


class Shard(NamedTuple):
    """One file of rows, which are read when they are asked for."""

    path: Path
    num_rows: int
    schema: "pa.Schema"
    batches: Callable[[list[str]], Iterable["pa.RecordBatch"]]


class Columns(NamedTuple):
    """Names of the columns of pictures and of labels, if there are any, and of the classes."""

    image: str
    label: str | None
    class_names: tuple[str, ...]


class PictureRow(NamedTuple):
    """A picture: its name, for errors, its content, and its label as it is, or None."""

    name: str
    content: bytes
    label: Any


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the folder `data.directory`, or the data set `data.hub_name`, kept in `directory`.

    Raises:
        InputError: There is no such folder or data set, a file or a picture in it is damaged, or
            pictures have several sizes and `data.image_size` is null.
    """
    hub_name = data.hub_name
    folder = _from_hub(hub_name, directory) if hub_name else located(data.directory)
    splits = _splits(folder)
    first = next(iter(splits.values()))
    columns = _columns(first[0].schema, folder)
    _check_columns([shard for shards in splits.values() for shard in shards], columns, folder)
    size = data.image_size or _size_of_first(_rows(first, columns))
    parts = {
        split: _read(shards, columns, (*size, data.channels), data.image_size)
        for split, shards in splits.items()
    }
    return own_splits.assemble(parts, columns.class_names, data.test_share, seed, WHERE)


# Files


def _parquet(path: Path) -> Shard:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)

    def batches(columns: list[str]) -> Iterable["pa.RecordBatch"]:
        return file.iter_batches(BATCH_ROWS, columns=columns)

    return Shard(path, file.metadata.num_rows, file.schema_arrow, batches)


def _arrow(path: Path) -> Shard:
    import pyarrow as pa
    from pyarrow import ipc

    table = ipc.open_stream(pa.memory_map(str(path))).read_all()  # mapped, so still on the disk

    def batches(columns: list[str]) -> Iterable["pa.RecordBatch"]:
        return table.select(columns).to_batches(BATCH_ROWS)

    return Shard(path, table.num_rows, table.schema, batches)


OPENERS = {".parquet": _parquet, ".arrow": _arrow}


def _splits(folder: Path) -> dict[str, list[Shard]]:
    """Returns the files by the split that their names tell."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in OPENERS)
    splits: dict[str, list[Shard]] = {}
    for path in paths:
        if path.name.startswith((".", "cache-")):
            continue
        known = own_splits.splits_in(str(path.relative_to(folder)))
        with _refusing_damage(path):
            shard = OPENERS[path.suffix.lower()](path)
        if shard.num_rows:
            splits.setdefault(next(iter(known), "train"), []).append(shard)
    if not splits:
        reason = "none with rows" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder} must hold files of {' or '.join(OPENERS)}", reason, WHERE)
    return splits


@contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError) as error:
        expected = f"{path} must be a whole {path.suffix} file"
        raise InputError(expected, one_line(error), "Fix or remove it") from None


def _columns(schema: "pa.Schema", folder: Path) -> Columns:
    """Returns the columns by the types that Hugging Face notes in a file, or by their names."""
    noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = noted.get("info", {}).get("features", {})
    types = {name: kind.get("_type") for name, kind in features.items() if isinstance(kind, dict)}

    def first(kind: str, *names: str) -> str | None:
        typed = [name for name in schema.names if types.get(name) == kind]
        return next(iter([*typed, *(name for name in names if name in schema.names)]), None)

    image, label = first("Image", "image", "img"), first("ClassLabel", "label", "labels")
    if image is None:
        expected = f"{folder} must hold a column of pictures, or one called image"
        raise InputError(expected, ", ".join(schema.names) or "no columns", WHERE)
    names = features[label].get("names", ()) if label in types else ()
    return Columns(image, label, tuple(names))


def _check_columns(shards: Iterable[Shard], columns: Columns, folder: Path) -> None:
    """Refuses files whose columns differ, and names those that are neither pictures nor labels."""
    others: set[str] = set()
    for shard in shards:
        own = _columns(shard.schema, shard.path)
        if own != columns:
            expected = f"all files in {folder} must have the same columns of pictures and labels"
            raise InputError(
                expected, f"{shard.path}: {_told(own)}; before: {_told(columns)}", WHERE
            )
        others |= {*shard.schema.names} - {own.image, own.label}
    if others:
        progress.note(f"fetch: columns left out: {', '.join(sorted(others))}")


def _told(columns: Columns) -> str:
    classes = f" with {len(columns.class_names)} classes" if columns.class_names else ""
    return f"{columns.image}, {columns.label or 'no labels'}{classes}"


# Pictures


def _rows(shards: Iterable[Shard], columns: Columns) -> Iterator[PictureRow]:
    wanted = [name for name in (columns.image, columns.label) if name]
    for shard in shards:
        number = 0
        with _refusing_damage(shard.path):
            for batch in shard.batches(wanted):
                for row in batch.to_pylist():
                    name = f"{shard.path}, row {number}"
                    label = row[columns.label] if columns.label else None
                    yield PictureRow(name, _content(row[columns.image], name), label)
                    number += 1


def _content(cell: Any, name: str) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        is_path = isinstance(cell, dict) and cell.get("path")
        is_empty = cell is None or isinstance(cell, dict)
        received = "a path alone" if is_path else "none" if is_empty else type(cell).__name__
        raise InputError(f"{name} must hold the bytes of a picture", received, WHERE)
    return content


def _size_of_first(rows: Iterator[PictureRow]) -> tuple[int, int]:
    row = next(rows)
    return decoding.read_size(BytesIO(row.content), row.name)


def _read(
    shards: list[Shard],
    columns: Columns,
    shape: tuple[int, int, int],
    size: tuple[int, int] | None,
) -> dict[str, np.ndarray]:
    """Returns the images of one split, and their labels as they are, if there are any."""
    images = arrays.empty((sum(shard.num_rows for shard in shards), *shape), WHERE_SIZE)
    labels = []
    rows = progress.bar(_rows(shards, columns), "fetch: pictures", len(images), "picture")
    for number, row in enumerate(rows):
        image = decoding.read_image(BytesIO(row.content), shape[-1], size, row.name)
        if image.shape != shape:
            height, width, _ = image.shape
            raise InputError(
                "pictures must have one size (height x width), or data.image_size must be set",
                f"the first is {shape[0]}x{shape[1]}, {row.name} is {height}x{width}",
                WHERE_SIZE,
            )
        images[number] = image
        labels.append(row.label)
    return {"images": images} | ({"labels": np.array(labels)} if columns.label else {})


# The Hub


def _from_hub(name: str, directory: Path) -> Path:
    """Returns the folder of a data set of the Hub, `user/name` or `user/name@revision`."""
    folder = directory / re.sub(r"[^\w@-]", "--", name)
    if folder.is_dir():
        return folder
    try:
        from datasets import load_dataset
    except ImportError:
        where = "Run: pip install 'genlab[huggingface]'"
        expected = "data.hub_name needs the package datasets"
        raise InputError(expected, "not installed", where) from None
    path, _, revision = name.partition("@")
    progress.note(f"fetch: {name} from the Hub of Hugging Face")
    try:
        dataset = load_dataset(path, revision=revision or None)
    except Exception as error:  # errors of many kinds, of the Hub and of the network
        expected = f"{name} must be a data set of the Hub"
        raise InputError(expected, one_line(error), WHERE_HUB) from None
    with replacing(folder) as building:
        dataset.save_to_disk(building)
    return folder
