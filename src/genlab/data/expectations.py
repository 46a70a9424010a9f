"""What valid images are, as suites of Great Expectations over tables of images and of fields."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genlab.contract.fields import DTYPES, Field, Spec
from genlab.data.declaration import Profile
from genlab.imaging.arrays import SPLITS
from genlab.settings.params import Validation

if TYPE_CHECKING:
    import pandas as pd

NUM_EXAMPLES = 5  # of the rows that fail a check
CRITICAL, WARNING = "critical", "warning"


class Declared(NamedTuple):
    """What a data set is said to be.

    Attributes:
        spec: Its fields.
        profile: What is known of its images.
        held_out: Labels of the classes that only test may have.
    """

    spec: Spec
    profile: Profile
    held_out: list[int]

    @property
    def num_classes(self) -> int:
        """0 if the images have no classes."""
        return len(self.spec["labels"].class_names) if "labels" in self.spec else 0


def check(
    tables: Mapping[str, "pd.DataFrame"], declared: Declared, limits: Validation, data_docs: Path
) -> list[dict[str, Any]]:
    """Checks a data set and writes the Data Docs.

    Args:
        tables: `images` and `fields`, see `genlab.data.table`.
        declared: The data set.
        limits: `params.yaml: validation`.
        data_docs: Folder of the Data Docs; replaced.

    Returns:
        One entry per check: `name`, `severity`, `success`, `expected` and `observed`, in words.
    """
    with _great_expectations() as gx:
        suites = {"images": _Suite(gx), "fields": _Suite(gx)}
        _expect_images(suites["images"], declared, limits)
        for name, field in declared.spec.items():
            if name not in ("images", "labels"):
                _expect_field(suites["fields"], name, field)
        return _validate(gx, suites, tables, data_docs)


@contextmanager
def _great_expectations() -> Iterator[Any]:
    """Imports Great Expectations without telemetry; what it does to Python's warnings is undone."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import great_expectations

            yield great_expectations
        finally:
            logging.captureWarnings(False)  # several of its modules turn it on


class _Suite:
    """The expectations of one table; `meta` holds what `validation.json` says of each."""

    def __init__(self, gx: Any) -> None:
        self._kinds = gx.expectations
        self.expectations: list[Any] = []

    def add(self, name: str, severity: str, expected: str, kind: str, **settings: Any) -> None:
        """Adds one expectation.

        Args:
            name: Of the check.
            severity: `CRITICAL` or `WARNING`.
            expected: In words.
            kind: The class of Great Expectations, without `Expect`.
            settings: Of that class; `within={"split": "test"}` selects the rows.
        """
        from great_expectations.expectations.row_conditions import Column

        for column, value in settings.pop("within", {}).items():
            settings["row_condition"] = Column(column) == value
        meta = {"name": name, "expected": expected}
        expectation = getattr(self._kinds, f"Expect{kind}")
        self.expectations.append(expectation(severity=severity, meta=meta, **settings))


def _expect_images(suite: _Suite, declared: Declared, limits: Validation) -> None:
    profile = declared.profile
    if declared.held_out:  # what is known is known of the whole data set
        profile = Profile(num_test=profile.num_test, may_share=profile.may_share)
    _expect_counts(suite, profile)
    _expect_values(suite, "x".join(map(str, declared.spec["images"].shape)))
    _expect_profile(suite, profile, limits)
    if declared.num_classes:
        _expect_classes(suite, declared, limits)
    else:
        only = {"column": "label", "value_set": [-1]}
        suite.add("labels", CRITICAL, "labels of -1 only", "ColumnValuesToBeInSet", **only)
    _expect_apart(suite, profile)


def _expect_counts(suite: _Suite, profile: Profile) -> None:
    for split in SPLITS:
        count = profile.num_test if split == "test" else None
        expected = f"{count} images" if count else "at least 1 image"
        limits = {"min_value": count or 1, "max_value": count, "within": {"split": split}}
        suite.add(f"num_{split}_images", CRITICAL, expected, "TableRowCountToBeBetween", **limits)
    if profile.num_images:
        expected = f"{profile.num_images} images in all splits together"
        kind = "TableRowCountToEqual"
        suite.add("num_images", CRITICAL, expected, kind, value=profile.num_images)


def _expect_values(suite: _Suite, shape: str) -> None:
    for column, value, expected in (
        ("shape", shape, f"images of {shape}"),
        ("type", "uint8", "uint8 values"),
    ):
        kind = "ColumnValuesToBeInSet"
        suite.add(column, CRITICAL, expected, kind, column=column, value_set=[value])
    for column, limit in (("minimum", {"min_value": 0}), ("maximum", {"max_value": 255})):
        text = f"a {column} grey value within 0 to 255"
        kind = "ColumnValuesToBeBetween"
        suite.add(f"{column}_range", CRITICAL, text, kind, column=column, **limit)
    text = "a largest grey value of at least 128 (values of 0 to 1 are not stretched to 0 to 255)"
    spread = {"column": "maximum", "min_value": 128}
    suite.add("value_spread", WARNING, text, "ColumnMaxToBeBetween", **spread)
    text = "images of more than one grey value"
    varied = {"column": "deviation", "min_value": 0, "strict_min": True}
    suite.add("no_constant_images", CRITICAL, text, "ColumnValuesToBeBetween", **varied)


def _expect_profile(suite: _Suite, profile: Profile, limits: Validation) -> None:
    for column, centre in (("mean", profile.mean), ("deviation", profile.deviation)):
        if centre is not None:
            low, high = (round(centre + sign * limits.max_mean_deviation, 6) for sign in (-1, 1))
            bounds = {"column": column, "min_value": low, "max_value": high}
            text = f"a {column} of the grey values from {low:g} to {high:g}"
            suite.add(f"profile_{column}", WARNING, text, "ColumnMeanToBeBetween", **bounds)


def _expect_classes(suite: _Suite, declared: Declared, limits: Validation) -> None:
    every = list(range(declared.num_classes))
    learned = [label for label in every if label not in declared.held_out]
    bounds = {"column": "label", "min_value": 0, "max_value": every[-1]}
    text = f"labels from 0 to {every[-1]}"
    suite.add("labels", CRITICAL, text, "ColumnValuesToBeBetween", **bounds)
    for split in SPLITS:
        values = every if split == "test" else learned
        wanted = {"column": "label", "value_set": values, "within": {"split": split}}
        if declared.held_out and split != "test":
            text = f"no images of the classes that are held out in {split}"
            suite.add(f"held_out_of_{split}", CRITICAL, text, "ColumnValuesToBeInSet", **wanted)
        severity = CRITICAL if split == "train" else WARNING
        text, kind = f"images of every class in {split}", "ColumnDistinctValuesToContainSet"
        suite.add(f"classes_in_{split}", severity, text, kind, **wanted)
    train = {"within": {"split": "train"}}
    least = limits.min_images_per_class
    size = {"column": "class_size", "min_value": least, **train}
    text = f"at least {least} images per class in train"
    suite.add("images_per_class", CRITICAL, text, "ColumnMinToBeBetween", **size)
    most = limits.max_class_imbalance
    ratio = {"column": "class_ratio", "max_value": most, **train}
    text = f"at most {most:g} times as many train images in the largest class as in the smallest"
    suite.add("class_balance", WARNING, text, "ColumnMaxToBeBetween", **ratio)


def _expect_apart(suite: _Suite, profile: Profile) -> None:
    new = {"column": "seen_before", "value_set": [False]}
    for split, earlier, severity in (
        ("test", "train or validation", WARNING if profile.may_share else CRITICAL),
        ("validation", "train", CRITICAL),
    ):
        text, within = f"{split} images that are not in {earlier}", {"split": split}
        kind = "ColumnValuesToBeInSet"
        suite.add(f"{split}_apart", severity, text, kind, **new, within=within)
    once = {"column": "sha256", "within": {"split": "train"}}
    text = "train images that are there once"
    suite.add("no_repeats_in_train", WARNING, text, "ColumnValuesToBeUnique", **once)


def _expect_field(suite: _Suite, name: str, field: Field) -> None:
    shape, dtype = "x".join(map(str, field.shape)) or "numbers", np.dtype(DTYPES[field.kind]).name
    allowed = {
        "image": "0 to 255",
        "label": f"0 to {len(field.class_names) - 1}",
        "factors": "finite numbers",
    }
    for column, value, text in (
        (
            "complete",
            True,
            f"{name} for every image" if field.aligned else f"at least one of {name}",
        ),
        ("shape", shape, f"{name} of {shape}"),
        ("type", dtype, f"{name} of {dtype}"),
        ("in_range", True, f"{name} within {allowed[field.kind]}"),
    ):
        wanted = {"column": column, "value_set": [value], "within": {"index": name}}
        suite.add(f"{name}_{column}", CRITICAL, text, "ColumnValuesToBeInSet", **wanted)


def _validate(
    gx: Any, suites: Mapping[str, _Suite], tables: Mapping[str, "pd.DataFrame"], data_docs: Path
) -> list[dict[str, Any]]:
    """Runs the suites, writes the Data Docs and returns one entry per expectation, in order."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("genlab")
    checks = []
    for name, added in suites.items():
        if added.expectations:
            suite = context.suites.add(gx.ExpectationSuite(name, expectations=added.expectations))
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
            definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
            result = context.validation_definitions.add(definition).run(
                batch_parameters={"dataframe": tables[name]},
                result_format={
                    "result_format": "SUMMARY",
                    "partial_unexpected_count": NUM_EXAMPLES,
                    "unexpected_index_column_names": ["split", "index"],
                },
            )
            names = [expectation.meta["name"] for expectation in added.expectations]
            summaries = [_summarise(part, name) for part in result.results]
            checks += sorted(summaries, key=lambda check: names.index(check["name"]))
    _write_data_docs(context, data_docs)
    return checks


def _write_data_docs(context: Any, data_docs: Path) -> None:
    shutil.rmtree(data_docs, ignore_errors=True)
    store = {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(data_docs.resolve()),
    }
    site = {
        "class_name": "SiteBuilder",
        "site_name": "images",
        "store_backend": store,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site("images", site)
    context.build_data_docs(site_names=["images"])


def _summarise(result: Any, rows: str) -> dict[str, Any]:
    config = result.expectation_config
    return {
        "name": config.meta["name"],
        "severity": str(config.severity.value),
        "success": bool(result.success),
        "expected": config.meta["expected"],
        "observed": _observe(result, rows),
    }


def _observe(result: Any, rows: str) -> str:
    """Returns in words: a value, what is missing, or how many rows fail and the first of them."""
    facts = result.result
    if result.exception_info.get("raised_exception"):
        return f"an error of the check itself: {result.exception_info['exception_message']}"
    if facts.get("observed_value") is not None:
        return f"{facts['observed_value']:.6g}"
    if "element_count" not in facts:
        missing = facts.get("partial_missing_list") or []
        return f"none of {', '.join(map(str, missing))}" if missing else "all"
    if not facts["unexpected_count"]:
        return "all"
    unexpected = facts["partial_unexpected_index_list"]
    examples = ", ".join(f"{row['split']} {row['index']}" for row in unexpected)
    more = ", ..." if facts["unexpected_count"] > len(unexpected) else ""
    counts = f"{facts['unexpected_count']} of {facts['element_count']}"
    return f"others: {counts} {rows} ({examples}{more})"
