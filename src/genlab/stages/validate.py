"""Stage `validate`: checks the fetched images; stops the pipeline when they are not valid.

A failed critical check stops the pipeline, a failed warning is printed; everything is in the Data Docs.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data import expectations
from genlab.data.expectations import Classes
from genlab.data.table import build_table
from genlab.imaging.arrays import SPLITS, Split, held_out_labels, read_description, read_split
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Params


def run(params: Params, images: Path, out: Path, data_docs: Path) -> None:
    """Checks a fetched data set.

    Args:
        params: `validation` is used.
        images: The folder of stage `fetch`.
        out: `validation.json`, the same bytes for the same images; not there after a critical failure.
        data_docs: Folder of the Data Docs; written whatever the outcome.

    Raises:
        InputError: A critical check fails; one line for each that does.
    """
    out.unlink(missing_ok=True)
    description = read_description(images)
    dataset = plugins.find("datasets", description["name"], f"{images / 'dataset.json'}: name")
    splits = {split: read_split(images, split) for split in SPLITS}
    table = build_table(splits)
    shape = "x".join(map(str, dataset.IMAGE_SHAPE or description["image_shape"]))
    progress.note(f"validate: checking {len(table)} images of {description['name']}")
    classes = Classes(len(description["class_names"]), held_out_labels(description))
    checks = expectations.check(
        table, dataset.PROFILE, params.validation, classes, shape, data_docs
    )
    failed = [check for check in checks if not check["success"]]
    critical = [_line(check) for check in failed if check["severity"] == "critical"]
    for check in failed:
        if check["severity"] == "warning":
            print(f"validate: warning: {_line(check)}", file=sys.stderr)
    if critical:
        raise InputError(
            f"{description['name']} must pass all critical checks",
            f"{len(critical)} failed\n  " + "\n  ".join(critical) + "\n",
            f"See {data_docs / 'index.html'}",
        )
    _write(out, description, splits, checks)


def _line(check: Mapping[str, Any]) -> str:
    return f"{check['name']}: expected {check['expected']}, received {check['observed']}"


def _write(
    out: Path,
    description: Mapping[str, Any],
    splits: Mapping[str, Split],
    checks: list[dict[str, Any]],
) -> None:
    num_classes = len(description["class_names"])
    summary = {
        "dataset": description["name"],
        "success": all(check["success"] for check in checks),
        "num_images": {split: len(part.labels) for split, part in splits.items()},
        "class_counts": {
            split: np.bincount(part.labels, minlength=num_classes).tolist() if num_classes else []
            for split, part in splits.items()
        },
        "checks": checks,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(json.dumps(summary, indent=2) + "\n")
    partial.replace(out)
