"""The splits of a data set on disk: what goes where, what is refused, and how they are written."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0

from genlab.contract.fields import DTYPES, Arrays, Field, Spec, read_arrays, spec_to_json
from genlab.data import inputs, splitting
from genlab.data.declaration import RawSplits
from genlab.imaging.arrays import SPLITS, digest
from genlab.runtime import progress
from genlab.runtime.errors import InputError, printable
from genlab.runtime.files import FolderKind, replacing
from genlab.settings import plugins, seeds
from genlab.settings.params import Data, Params

CHUNK_BYTES = 1 << 24
MIN_IMAGES = 2  # a covariance needs them
ADD_IMAGES = "Add images, or see params.yaml: data.validation_share, data.test_share, seed"
NAMES = "names.json"
KIND = FolderKind("a data set", ("dataset.json", NAMES, *(f"{split}_*.npy" for split in SPLITS)))
UNKNOWN = Field((), "label")
"""The labels of images without classes: -1 each, on disk but not among the fields."""


class Rows(NamedTuple):
    """Some rows of an array, and what is made of them."""

    array: np.ndarray
    rows: np.ndarray
    change: Callable[[np.ndarray], np.ndarray] = np.asarray

    def chunks(self) -> Iterator[np.ndarray]:
        """Yields the rows in chunks of about `CHUNK_BYTES`."""
        size = max(1, CHUNK_BYTES // max(1, self.array[:1].nbytes))
        for start in range(0, len(self.rows), size):
            yield self.change(self.array[self.rows[start : start + size]])


Parts = dict[str, dict[str, Rows]]
"""By split and field."""


def write(out: Path, raw: RawSplits, params: Params, facts: Mapping[str, Any]) -> None:
    """Writes train, validation and test; without a validation split, a hash takes it from train.

    Equal images are on one side, and more images move no other. Held-out classes stay in test only.

    Args:
        out: The folder; it appears, or is replaced, only when it is complete.
        raw: The data set.
        params: `data` and `seed` are used.
        facts: What else `dataset.json` says: licence and citation.

    Raises:
        InputError: A split or a class has no images, `held_out_classes` are not classes, or
            `data.inputs` would replace inputs of the data set's own.
    """
    name, spec = params.data.name, dict(raw.fields)
    class_names = spec.get("labels", UNKNOWN).class_names
    _check_held_out(params.data.held_out_classes, class_names, name)
    parts = _split(raw, class_names, params)
    _check_sizes(parts, spec, name)
    _check_classes(parts["train"]["labels"], class_names, params.data)
    _derive_inputs(parts, spec, params)
    with replacing(out, KIND) as building:
        building.mkdir()
        for split, fields in parts.items():
            for field, rows in fields.items():
                path = building / f"{split}_{field}.npy"
                _write_array(path, spec.get(field, UNKNOWN), rows)
        names = {
            "name": name,
            "class_names": class_names,
            "held_out_classes": params.data.held_out_classes,
        }
        if raw.names:
            _write_names(building, raw.names, parts)
        description = names | dict(facts) | _measure(building, parts, spec)
        (building / "dataset.json").write_text(json.dumps(description, indent=2) + "\n")
    counts = ", ".join(f"{count} {split}" for split, count in description["num_images"].items())
    progress.note(f"fetch: {name}: {counts}")


def read_names(folder: Path) -> dict[str, list[str]]:
    """Returns by split the file of each image; empty if the images are no files of their own."""
    path = folder / NAMES
    return json.loads(path.read_text()) if path.is_file() else {}


def _write_names(folder: Path, names: Mapping[str, Sequence[str]], parts: Parts) -> None:
    shown = {
        split: [printable(names.get(split, names["train"])[row]) for row in fields["images"].rows]
        for split, fields in parts.items()
    }
    (folder / NAMES).write_text(json.dumps(shown, indent=0) + "\n")


def _check_held_out(held_out: tuple[str, ...], class_names: tuple[str, ...], name: str) -> None:
    unknown = [label for label in held_out if label not in class_names]
    too_many = bool(held_out) and len(class_names) - len(held_out) < 2
    if unknown or too_many or len(set(held_out)) < len(held_out):
        known = ", ".join(class_names) or "none"
        near = plugins.nearest(unknown[0], class_names) if unknown else ""
        raise InputError(
            f"held_out_classes must be different classes of {name} ({known}){near}, and leave two",
            ", ".join(map(repr, held_out)),
            "See params.yaml: data.held_out_classes",
        )


def _split(raw: RawSplits, class_names: tuple[str, ...], params: Params) -> Parts:
    """Returns the rows of each split; a field that is not aligned has rows of its own."""
    train, own, test = (
        {"labels": np.full(len(arrays["images"]), -1)} | dict(arrays)
        for arrays in (raw.train, raw.validation or raw.train, raw.test)
    )
    sources = {"train": train, "validation": own if raw.validation else train}
    held_out = [class_names.index(label) for label in params.data.held_out_classes]
    aligned = {
        split: mask & ~np.isin(sources[split]["labels"], held_out)
        for split, mask in _belonging(sources, "images", params).items()
    }
    parts: Parts = {split: {} for split in SPLITS}
    for field in {"images": None, "labels": None, **raw.fields}:
        is_aligned = raw.fields.get(field, UNKNOWN).aligned
        masks = aligned if is_aligned else _belonging(sources, field, params)
        for split, mask in masks.items():
            parts[split][field] = Rows(sources[split][field], np.flatnonzero(mask))
        parts["test"][field] = Rows(test[field], np.arange(len(test[field])))
    return parts


def _belonging(sources: Mapping[str, Arrays], field: str, params: Params) -> dict[str, np.ndarray]:
    """Returns by split which rows of its source belong to it; both may have one source."""
    if sources["train"] is not sources["validation"]:
        return {split: np.ones(len(source[field]), bool) for split, source in sources.items()}
    moved = _choose(sources["train"][field], params)
    return {"train": ~moved, "validation": moved}


def _choose(array: np.ndarray, params: Params) -> np.ndarray:
    """Returns for each row of train whether it goes to validation."""
    seed = seeds.derive(params.seed, "fetch", "validation")
    share = params.data.validation_share
    rows = progress.bar(array, "fetch: validation images", unit="image")
    return np.fromiter((splitting.chosen(row, share, seed) for row in rows), bool, len(array))


def _check_sizes(parts: Parts, spec: Spec, name: str) -> None:
    for field in ["images", *(field for field in spec if not spec[field].aligned)]:
        sizes = {split: len(fields[field].rows) for split, fields in parts.items()}
        for split, size in sizes.items():
            if size < MIN_IMAGES:
                raise InputError(
                    f"{name} must have at least {MIN_IMAGES} {field} for every split",
                    f"{sum(sizes.values())}, {size} of them in {split} (equal ones stay together)",
                    ADD_IMAGES,
                )


def _check_classes(labels: Rows, class_names: tuple[str, ...], data: Data) -> None:
    present = set(labels.array[labels.rows].tolist())
    for label, class_name in enumerate(class_names):
        if label not in present and class_name not in data.held_out_classes:
            raise InputError(
                f"{data.name} must have images of every class in train",
                f"none of {class_name!r}",
                ADD_IMAGES.replace("images", "images of it"),
            )


def _derive_inputs(parts: Parts, spec: dict[str, Field], params: Params) -> None:
    """Adds the field that `data.inputs` asks for."""
    if params.data.inputs == "none":
        return
    if "inputs" in spec:
        raise InputError(
            f"data.inputs must be none for {params.data.name}, which has inputs of its own",
            params.data.inputs,
            "See params.yaml: data.inputs",
        )
    spec["inputs"] = inputs.field_of(params.data.inputs, spec["images"])
    seed = seeds.derive(params.seed, "fetch", "inputs")
    derive = partial(inputs.derive, params.data.inputs, seed)
    for fields in parts.values():
        fields["inputs"] = fields["images"]._replace(change=derive)


def _write_array(path: Path, field: Field, rows: Rows) -> None:
    dtype = np.dtype(DTYPES[field.kind])
    shape = (len(rows.rows), *field.shape)
    header = {"descr": dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:  # no memory map: on a full disk that is a bus error
        write_array_header_1_0(file, header)
        for chunk in rows.chunks():
            values = chunk.astype(dtype, casting="same_kind", copy=False)
            file.write(values.reshape(-1, *field.shape).tobytes())


def _measure(directory: Path, parts: Parts, spec: Spec) -> dict[str, Any]:
    arrays = {split: read_arrays(directory, split, parts[split]) for split in SPLITS}
    return {
        "image_shape": spec["images"].shape,
        "num_images": {split: len(fields["images"]) for split, fields in arrays.items()},
        "sha256": digest(*(array for fields in arrays.values() for array in fields.values())),
        "fields": spec_to_json(spec),
    }
