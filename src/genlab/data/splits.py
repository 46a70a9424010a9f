"""The splits of a data set as arrays on disk: what goes where, what is refused, and how they are written."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import write_array_header_1_0

from genlab.data import splitting
from genlab.imaging.arrays import SPLITS, Split, digest, read_split
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings import plugins, seeds
from genlab.settings.params import Params

CHUNK_IMAGES = 4096
MIN_IMAGES = 2  # a covariance needs them


def write(
    out: Path,
    splits: Mapping[str, Split],
    class_names: Sequence[str],
    params: Params,
    facts: Mapping[str, Any],
) -> None:
    """Writes train, validation and test; validation is carved out of train by a seeded hash of each image.

    Equal images lie on one side, and more images move no other. Held-out classes stay in test alone.

    Args:
        out: The folder; it appears, or is replaced, only when everything in it is complete.
        splits: `train` and `test`.
        class_names: Of all classes, by label.
        params: `data` and `seed` are used.
        facts: What else `dataset.json` says: licence and citation.

    Raises:
        InputError: A split or a class has no images, or `held_out_classes` are not classes.
    """
    name = params.data.name
    chosen = _choose_validation(splits["train"], params)
    held_out = params.data.held_out_classes
    _check_held_out(held_out, class_names, name)
    trained = ~np.isin(splits["train"].labels, [class_names.index(held) for held in held_out])
    parts = {
        "train": (splits["train"], np.flatnonzero(trained & ~chosen)),
        "validation": (splits["train"], np.flatnonzero(trained & chosen)),
        "test": (splits["test"], np.arange(len(splits["test"].labels))),
    }
    _check(parts, [known for known in class_names if known not in held_out], class_names, name)
    _write(
        out,
        parts,
        {"name": name, "class_names": class_names, "held_out_classes": held_out} | dict(facts),
    )


def _choose_validation(train: Split, params: Params) -> np.ndarray:
    """Returns for each image of train whether it goes to validation."""
    seed = seeds.derive(params.seed, "fetch", "validation")
    share = params.data.validation_share
    images = progress.bar(train.images, "fetch: validation images", unit="image")
    return np.fromiter(
        (splitting.chosen(image, share, seed) for image in images), bool, len(train.labels)
    )


def _check_held_out(held_out: Sequence[str], class_names: Sequence[str], name: str) -> None:
    """Raises an InputError where a class is unknown or named twice, or where fewer than two are left."""
    unknown = [each for each in held_out if each not in class_names]
    if (
        unknown
        or len(set(held_out)) < len(held_out)
        or (held_out and len(class_names) - len(held_out) < 2)
    ):
        known = ", ".join(class_names) or "none"
        near = plugins.nearest(unknown[0], class_names) if unknown else ""
        raise InputError(
            f"held_out_classes must be different classes of {name} ({known}){near}, and leave two",
            str(", ".join(map(repr, held_out))),
            "See params.yaml: data.held_out_classes",
        )


def _check(
    parts: Mapping[str, tuple[Split, np.ndarray]],
    wanted: Sequence[str],
    class_names: Sequence[str],
    name: str,
) -> None:
    total = sum(len(rows) for _, rows in parts.values())
    for split, (_, rows) in parts.items():
        if len(rows) < MIN_IMAGES:
            raise InputError(
                f"{name} must have at least {MIN_IMAGES} images for every split",
                f"{total}, {len(rows)} of them in {split} (equal images stay together)",
                "Add images, or see params.yaml: data.validation_share, data.test_share, seed",
            )
    source, rows = parts["train"]
    labels = set(source.labels[rows].tolist())
    for missing in [each for each in wanted if class_names.index(each) not in labels]:
        raise InputError(
            f"{name} must have images of every class in train",
            f"none of {missing!r}",
            "Add images of it, or see params.yaml: data.validation_share, data.test_share, seed",
        )


def _write(
    out: Path, parts: Mapping[str, tuple[Split, np.ndarray]], names: Mapping[str, Any]
) -> None:
    with replacing(out) as building:
        building.mkdir()
        for split, (source, rows) in parts.items():
            _write_split(building, split, source, rows)
        _write_description(building, names)


def _write_split(directory: Path, split: str, source: Split, rows: np.ndarray) -> None:
    header = {
        "descr": "|u1",
        "fortran_order": False,
        "shape": (len(rows), *source.images.shape[1:]),
    }
    with (directory / f"{split}_images.npy").open(
        "wb"
    ) as file:  # no memory map: on a full disk that is a bus error
        write_array_header_1_0(file, header)
        for start in range(0, len(rows), CHUNK_IMAGES):
            file.write(source.images[rows[start : start + CHUNK_IMAGES]].tobytes())
    np.save(
        directory / f"{split}_labels.npy", source.labels[rows].astype(np.int64), allow_pickle=False
    )


def _write_description(directory: Path, names: Mapping[str, Any]) -> None:
    splits = {split: read_split(directory, split) for split in SPLITS}
    counts = {split: len(part.labels) for split, part in splits.items()}
    measured = {
        "image_shape": splits["train"].images.shape[1:],
        "num_images": counts,
        "sha256": digest(*(array for split in SPLITS for array in splits[split])),
    }
    (directory / "dataset.json").write_text(json.dumps({**names, **measured}, indent=2) + "\n")
    progress.note(
        f"fetch: {names['name']}: {', '.join(f'{n} {split}' for split, n in counts.items())}"
    )
