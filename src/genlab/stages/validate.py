"""Stage `validate`: checks the fetched data; stops the pipeline if it is not valid.

A failed critical check stops the pipeline, a failed warning is printed; the Data Docs show all.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genlab.contract.fields import read_arrays, read_spec
from genlab.data import expectations
from genlab.data.expectations import Declared
from genlab.data.splits import read_names
from genlab.data.table import field_table, image_table
from genlab.imaging.arrays import SPLITS, Split, held_out_labels, read_description
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import check_free, replacing
from genlab.settings import plugins
from genlab.settings.params import Params


def run(params: Params, images: Path, out: Path, data_docs: Path) -> None:
    """Checks a fetched data set.

    Args:
        params: `validation` is used.
        images: The folder of stage `fetch`.
        out: `validation.json`, the same bytes for the same data; missing after a critical failure.
        data_docs: Folder of the Data Docs; written whatever the outcome.

    Raises:
        InputError: A critical check fails, one line for each that does; or an output would replace
            something else.
    """
    check_free(out)
    check_free(data_docs, expectations.KIND)
    out.unlink(missing_ok=True)
    description, spec = read_description(images), read_spec(images)
    name = description["name"]
    dataset = plugins.find("datasets", name, f"{images / 'dataset.json'}: name")
    splits = {split: read_arrays(images, split, ["labels", *spec]) for split in SPLITS}
    labelled = {split: Split(part["images"], part["labels"]) for split, part in splits.items()}
    table = image_table(labelled, read_names(images))
    tables = {"images": table, "fields": field_table(splits, spec)}
    progress.note(f"validate: checking {len(table)} images of {name}")
    declared = Declared(spec, dataset.PROFILE, held_out_labels(description))
    checks = expectations.check(tables, declared, params.validation, data_docs)
    _report(name, [check for check in checks if not check["success"]], data_docs)
    _write(out, name, declared.num_classes, labelled, checks)


def _report(name: str, failed: list[dict[str, Any]], data_docs: Path) -> None:
    """Prints the warnings; raises an InputError if there is a critical failure."""
    lines = {
        severity: [
            f"{check['name']}: expected {check['expected']}, received {check['observed']}"
            for check in failed
            if check["severity"] == severity
        ]
        for severity in (expectations.CRITICAL, expectations.WARNING)
    }
    for line in lines[expectations.WARNING]:
        print(f"validate: warning: {line}", file=sys.stderr)
    if critical := lines[expectations.CRITICAL]:
        raise InputError(
            f"{name} must pass all critical checks",
            f"{len(critical)} failed",
            "\n  ".join([f"See {data_docs / 'index.html'}:", *critical]),
        )


def _write(
    out: Path,
    name: str,
    num_classes: int,
    splits: Mapping[str, Split],
    checks: list[dict[str, Any]],
) -> None:
    summary = {
        "dataset": name,
        "success": all(check["success"] for check in checks),
        "num_images": {split: len(part.labels) for split, part in splits.items()},
        "class_counts": {
            split: np.bincount(part.labels, minlength=num_classes).tolist() if num_classes else []
            for split, part in splits.items()
        },
        "checks": checks,
    }
    with replacing(out) as building:
        building.write_text(json.dumps(summary, indent=2) + "\n")
