"""Stage `validate`: what valid images are; stops the pipeline when they are not.

Great Expectations checks tables: here one row per image. A failed critical check stops the pipeline, a failed warning
is printed; everything is shown in the Data Docs, and `validation.json` says it in short.
"""

import json
import logging
import math
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genlab import plugins, progress
from genlab.datasets import Profile
from genlab.errors import InputError
from genlab.images import SPLITS, Split, held_out_labels, read_description, read_split
from genlab.params import Params, Validation

if TYPE_CHECKING:
    import pandas as pd

CHUNK_VALUES = 1 << 22  # grey values that are measured at a time
NUM_EXAMPLES = 5  # of the images that fail a check


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
    dataset = plugins.find("data", description["name"], f"{images / 'dataset.json'}: name")
    splits = {split: read_split(images, split) for split in SPLITS}
    table = build_table(splits)
    shape = "x".join(map(str, dataset.IMAGE_SHAPE or description["image_shape"]))
    progress.note(f"validate: checking {len(table)} images of {description['name']}")
    with _great_expectations() as gx:
        classes = _Classes(len(description["class_names"]), held_out_labels(description))
        suite = _build_suite(gx, dataset.PROFILE, params.validation, classes, shape)
        checks = _validate(gx, suite, table, data_docs)
    failed = [check for check in checks if not check["success"]]
    critical = [_line(check) for check in failed if check["severity"] == "critical"]
    for check in failed:
        if check["severity"] == "warning":
            print(f"validate: warning: {_line(check)}", file=sys.stderr)
    if critical:
        head = f"{description['name']} must pass all critical checks. Received: {len(critical)} failed."
        raise InputError("\n  ".join([f"{head} See {data_docs / 'index.html'}.", *critical]))
    _write(out, description, splits, checks)


def _line(check: Mapping[str, Any]) -> str:
    return f"{check['name']}: expected {check['expected']}, received {check['observed']}"


def _write(
    out: Path, description: Mapping[str, Any], splits: Mapping[str, Split], checks: list[dict[str, Any]]
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
    return pd.DataFrame({"split": split, "index": np.arange(num_images), "label": part.labels, **fixed, **columns})


def _measure_chunk(images: np.ndarray) -> dict[str, Any]:
    values = np.ascontiguousarray(images).reshape(len(images), math.prod(images.shape[1:]))  # (n, values per image)
    grey = values.astype(np.float32) / np.float32(255)
    minimum, maximum = values.min(axis=1), values.max(axis=1)
    return {
        "minimum": minimum,
        "maximum": maximum,
        "mean": grey.mean(axis=1, dtype=np.float64),
        "deviation": np.where(minimum == maximum, 0.0, grey.std(axis=1, dtype=np.float64)),  # exactly 0, not rounding
        "sha256": np.array([sha256(row.data).hexdigest() for row in values]),
    }


@contextmanager
def _great_expectations() -> Iterator[Any]:
    """Imports Great Expectations without its telemetry, and undoes what it does to Python's warnings."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import great_expectations

            yield great_expectations
        finally:
            logging.captureWarnings(False)  # it turns this on in several of its modules, whenever they are imported


class _Classes(NamedTuple):
    """How many classes the data set has, and the labels of those that only test may have."""

    number: int
    held_out: list[int]


def _build_suite(gx: Any, profile: Profile, limits: Validation, classes: _Classes, shape: str) -> list[Any]:
    """Returns the expectations; `meta` holds what `validation.json` says of each."""
    from great_expectations.expectations.row_conditions import Column

    if classes.held_out:  # what is known is known of the whole data set
        profile = Profile(num_test=profile.num_test, may_share=profile.may_share)
    within = {split: {"row_condition": Column("split") == split} for split in SPLITS}
    suite = _Suite(gx.expectations)
    _expect_counts(suite, profile, within)
    _expect_values(suite, profile, limits, shape)
    _expect_classes(suite, limits, classes, within)
    _expect_apart(suite, profile, within)
    return suite.expectations


class _Suite:
    """The expectations so far."""

    def __init__(self, kinds: Any) -> None:
        self._kinds = kinds
        self.expectations: list[Any] = []

    def add(self, name: str, severity: str, expected: str, kind: str, **settings: Any) -> None:
        """Adds one expectation.

        Args:
            name: Of the check.
            severity: `"critical"` or `"warning"`.
            expected: In words.
            kind: The class of Great Expectations, without `Expect`.
            settings: Of that class.
        """
        meta = {"name": name, "expected": expected}
        self.expectations.append(getattr(self._kinds, f"Expect{kind}")(severity=severity, meta=meta, **settings))


def _expect_counts(suite: _Suite, profile: Profile, within: Mapping[str, dict[str, Any]]) -> None:
    counts = {"train": None, "validation": None, "test": profile.num_test}
    for split, count in counts.items():
        expected = f"{count} images" if count else "at least 1 image"
        limits = {"min_value": count or 1, "max_value": count}
        suite.add(f"num_{split}_images", "critical", expected, "TableRowCountToBeBetween", **limits, **within[split])
    if profile.num_images:
        expected = f"{profile.num_images} images in all splits together"
        suite.add("num_images", "critical", expected, "TableRowCountToEqual", value=profile.num_images)


def _expect_values(suite: _Suite, profile: Profile, limits: Validation, shape: str) -> None:
    suite.add("shape", "critical", f"images of {shape}", "ColumnValuesToBeInSet", column="shape", value_set=[shape])
    suite.add("type", "critical", "uint8 values", "ColumnValuesToBeInSet", column="type", value_set=["uint8"])
    for column, limit in (("minimum", {"min_value": 0}), ("maximum", {"max_value": 255})):
        text = f"a {column} grey value within 0 to 255"
        suite.add(f"{column}_range", "critical", text, "ColumnValuesToBeBetween", column=column, **limit)
    text = "a largest grey value of at least 128 (values of 0 to 1 are not stretched to 0 to 255)"
    suite.add("value_spread", "warning", text, "ColumnMaxToBeBetween", column="maximum", min_value=128)
    text, varied = "images of more than one grey value", {"column": "deviation", "min_value": 0, "strict_min": True}
    suite.add("no_constant_images", "critical", text, "ColumnValuesToBeBetween", **varied)
    for column, centre in (("mean", profile.mean), ("deviation", profile.deviation)):
        if centre is not None:
            low, high = (round(centre + sign * limits.max_mean_deviation, 6) for sign in (-1, 1))
            bounds = {"column": column, "min_value": low, "max_value": high}
            text = f"a {column} of the grey values from {low:g} to {high:g}"
            suite.add(f"profile_{column}", "warning", text, "ColumnMeanToBeBetween", **bounds)


def _expect_classes(suite: _Suite, limits: Validation, classes: _Classes, within: Mapping[str, dict[str, Any]]) -> None:
    if not classes.number:
        suite.add("labels", "critical", "labels of -1 only", "ColumnValuesToBeInSet", column="label", value_set=[-1])
        return
    every = list(range(classes.number))
    labels = {"column": "label", "min_value": 0, "max_value": every[-1]}
    suite.add("labels", "critical", f"labels from 0 to {every[-1]}", "ColumnValuesToBeBetween", **labels)
    seen = [label for label in every if label not in classes.held_out]
    for split in SPLITS:
        severity = "critical" if split == "train" else "warning"
        wanted = {"column": "label", "value_set": every if split == "test" else seen}
        if classes.held_out and split != "test":
            text = f"no images of the classes that are held out in {split}"
            suite.add(f"held_out_of_{split}", "critical", text, "ColumnValuesToBeInSet", **wanted, **within[split])
        text, kind = f"images of every class in {split}", "ColumnDistinctValuesToContainSet"
        suite.add(f"classes_in_{split}", severity, text, kind, **wanted, **within[split])
    size = {"column": "class_size", "min_value": limits.min_images_per_class, **within["train"]}
    text = f"at least {limits.min_images_per_class} images per class in train"
    suite.add("images_per_class", "critical", text, "ColumnMinToBeBetween", **size)
    ratio = {"column": "class_ratio", "max_value": limits.max_class_imbalance, **within["train"]}
    text = f"at most {limits.max_class_imbalance:g} times as many train images in the largest class as in the smallest"
    suite.add("class_balance", "warning", text, "ColumnMaxToBeBetween", **ratio)


def _expect_apart(suite: _Suite, profile: Profile, within: Mapping[str, dict[str, Any]]) -> None:
    new = {"column": "seen_before", "value_set": [False]}
    severity = "warning" if profile.may_share else "critical"
    text = "test images that are not in train or validation"
    suite.add("test_apart", severity, text, "ColumnValuesToBeInSet", **new, **within["test"])
    text = "validation images that are not in train"
    suite.add("validation_apart", "critical", text, "ColumnValuesToBeInSet", **new, **within["validation"])
    text = "train images that are there once"
    suite.add("no_repeats_in_train", "warning", text, "ColumnValuesToBeUnique", column="sha256", **within["train"])


def _validate(gx: Any, expectations: list[Any], table: "pd.DataFrame", data_docs: Path) -> list[dict[str, Any]]:
    """Runs the suite, writes the Data Docs and returns one entry for each expectation, in their order."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = context.suites.add(gx.ExpectationSuite(name="images", expectations=expectations))
    asset = context.data_sources.add_pandas("genlab").add_dataframe_asset("images")
    batch = asset.add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name="images", data=batch, suite=suite)
    examples = {"partial_unexpected_count": NUM_EXAMPLES, "unexpected_index_column_names": ["split", "index"]}
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table}, result_format={"result_format": "SUMMARY", **examples}
    )
    _write_data_docs(context, data_docs)
    names = [expectation.meta["name"] for expectation in expectations]
    return sorted((_summarise(each) for each in result.results), key=lambda check: names.index(check["name"]))


def _write_data_docs(context: Any, data_docs: Path) -> None:
    shutil.rmtree(data_docs, ignore_errors=True)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())}
    site = {"class_name": "SiteBuilder", "store_backend": store, "site_name": "images"}
    context.add_data_docs_site("images", {**site, "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"}})
    context.build_data_docs(site_names=["images"])


def _summarise(result: Any) -> dict[str, Any]:
    config = result.expectation_config
    return {
        "name": config.meta["name"],
        "severity": str(config.severity.value),
        "success": bool(result.success),
        "expected": config.meta["expected"],
        "observed": _observe(result),
    }


def _observe(result: Any) -> str:
    """Returns what was found, in words: a value, what is missing, or how many images fail and the first of them."""
    found = result.result
    if result.exception_info.get("raised_exception"):
        return f"a check that failed itself: {result.exception_info['exception_message']}"
    if found.get("observed_value") is not None:
        return f"{found['observed_value']:.6g}"
    if "element_count" not in found:
        missing = found.get("partial_missing_list") or []
        return f"none of {', '.join(map(str, missing))}" if missing else "all"
    if not found["unexpected_count"]:
        return "all"
    examples = [f"{each['split']} {each['index']}" for each in found["partial_unexpected_index_list"]]
    more = ", ..." if found["unexpected_count"] > len(examples) else ""
    return f"others: {found['unexpected_count']} of {found['element_count']} images ({', '.join(examples)}{more})"
