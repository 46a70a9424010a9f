"""What valid images are, as a suite of Great Expectations over the table of images."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from genlab.data.declaration import Profile
from genlab.imaging.arrays import SPLITS
from genlab.settings.params import Validation

if TYPE_CHECKING:
    import pandas as pd

NUM_EXAMPLES = 5  # of the images that fail a check


class Classes(NamedTuple):
    """How many classes the data set has, and the labels of those that only test may have."""

    number: int
    held_out: list[int]


def check(
    table: "pd.DataFrame",
    profile: Profile,
    limits: Validation,
    classes: Classes,
    shape: str,
    data_docs: Path,
) -> list[dict[str, Any]]:
    """Checks the images and writes the Data Docs.

    Args:
        table: One row per image, see `genlab.data.table`.
        profile: What is known of the data set.
        limits: `params.yaml: validation`.
        classes: Of the data set.
        shape: That every image must have: `28x28x1`.
        data_docs: Folder of the Data Docs; replaced.

    Returns:
        One entry per check: `name`, `severity`, `success`, `expected` and `observed`, in words.
    """
    with _great_expectations() as gx:
        return _validate(gx, _build_suite(gx, profile, limits, classes, shape), table, data_docs)


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
            logging.captureWarnings(
                False
            )  # it turns this on in several of its modules, whenever they are imported


def _build_suite(
    gx: Any, profile: Profile, limits: Validation, classes: Classes, shape: str
) -> list[Any]:
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
        self.expectations.append(
            getattr(self._kinds, f"Expect{kind}")(severity=severity, meta=meta, **settings)
        )


def _expect_counts(suite: _Suite, profile: Profile, within: Mapping[str, dict[str, Any]]) -> None:
    counts = {"train": None, "validation": None, "test": profile.num_test}
    for split, count in counts.items():
        expected = f"{count} images" if count else "at least 1 image"
        limits = {"min_value": count or 1, "max_value": count}
        suite.add(
            f"num_{split}_images",
            "critical",
            expected,
            "TableRowCountToBeBetween",
            **limits,
            **within[split],
        )
    if profile.num_images:
        expected = f"{profile.num_images} images in all splits together"
        suite.add(
            "num_images", "critical", expected, "TableRowCountToEqual", value=profile.num_images
        )


def _expect_values(suite: _Suite, profile: Profile, limits: Validation, shape: str) -> None:
    suite.add(
        "shape",
        "critical",
        f"images of {shape}",
        "ColumnValuesToBeInSet",
        column="shape",
        value_set=[shape],
    )
    suite.add(
        "type",
        "critical",
        "uint8 values",
        "ColumnValuesToBeInSet",
        column="type",
        value_set=["uint8"],
    )
    for column, limit in (("minimum", {"min_value": 0}), ("maximum", {"max_value": 255})):
        text = f"a {column} grey value within 0 to 255"
        suite.add(
            f"{column}_range", "critical", text, "ColumnValuesToBeBetween", column=column, **limit
        )
    text = "a largest grey value of at least 128 (values of 0 to 1 are not stretched to 0 to 255)"
    suite.add(
        "value_spread", "warning", text, "ColumnMaxToBeBetween", column="maximum", min_value=128
    )
    text, varied = (
        "images of more than one grey value",
        {"column": "deviation", "min_value": 0, "strict_min": True},
    )
    suite.add("no_constant_images", "critical", text, "ColumnValuesToBeBetween", **varied)
    for column, centre in (("mean", profile.mean), ("deviation", profile.deviation)):
        if centre is not None:
            low, high = (round(centre + sign * limits.max_mean_deviation, 6) for sign in (-1, 1))
            bounds = {"column": column, "min_value": low, "max_value": high}
            text = f"a {column} of the grey values from {low:g} to {high:g}"
            suite.add(f"profile_{column}", "warning", text, "ColumnMeanToBeBetween", **bounds)


def _expect_classes(
    suite: _Suite, limits: Validation, classes: Classes, within: Mapping[str, dict[str, Any]]
) -> None:
    if not classes.number:
        suite.add(
            "labels",
            "critical",
            "labels of -1 only",
            "ColumnValuesToBeInSet",
            column="label",
            value_set=[-1],
        )
        return
    every = list(range(classes.number))
    labels = {"column": "label", "min_value": 0, "max_value": every[-1]}
    suite.add(
        "labels", "critical", f"labels from 0 to {every[-1]}", "ColumnValuesToBeBetween", **labels
    )
    seen = [label for label in every if label not in classes.held_out]
    for split in SPLITS:
        severity = "critical" if split == "train" else "warning"
        wanted = {"column": "label", "value_set": every if split == "test" else seen}
        if classes.held_out and split != "test":
            text = f"no images of the classes that are held out in {split}"
            suite.add(
                f"held_out_of_{split}",
                "critical",
                text,
                "ColumnValuesToBeInSet",
                **wanted,
                **within[split],
            )
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
    suite.add(
        "validation_apart", "critical", text, "ColumnValuesToBeInSet", **new, **within["validation"]
    )
    text = "train images that are there once"
    suite.add(
        "no_repeats_in_train",
        "warning",
        text,
        "ColumnValuesToBeUnique",
        column="sha256",
        **within["train"],
    )


def _validate(
    gx: Any, expectations: list[Any], table: "pd.DataFrame", data_docs: Path
) -> list[dict[str, Any]]:
    """Runs the suite, writes the Data Docs and returns one entry for each expectation, in their order."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = context.suites.add(gx.ExpectationSuite(name="images", expectations=expectations))
    asset = context.data_sources.add_pandas("genlab").add_dataframe_asset("images")
    batch = asset.add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name="images", data=batch, suite=suite)
    examples = {
        "partial_unexpected_count": NUM_EXAMPLES,
        "unexpected_index_column_names": ["split", "index"],
    }
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table},
        result_format={"result_format": "SUMMARY", **examples},
    )
    _write_data_docs(context, data_docs)
    names = [expectation.meta["name"] for expectation in expectations]
    return sorted(
        (_summarise(each) for each in result.results), key=lambda check: names.index(check["name"])
    )


def _write_data_docs(context: Any, data_docs: Path) -> None:
    shutil.rmtree(data_docs, ignore_errors=True)
    store = {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(data_docs.resolve()),
    }
    site = {"class_name": "SiteBuilder", "store_backend": store, "site_name": "images"}
    context.add_data_docs_site(
        "images", {**site, "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"}}
    )
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
    examples = [
        f"{each['split']} {each['index']}" for each in found["partial_unexpected_index_list"]
    ]
    more = ", ..." if found["unexpected_count"] > len(examples) else ""
    return f"others: {found['unexpected_count']} of {found['element_count']} images ({', '.join(examples)}{more})"
