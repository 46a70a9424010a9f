"""What valid images are, as suites of Great Expectations over tables of images and of fields."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genlab.contract.fields import DTYPES, Field, Spec
from genlab.data.declaration import Profile
from genlab.imaging.arrays import SPLITS
from genlab.runtime.files import FolderKind, replacing
from genlab.settings.params import Validation

if TYPE_CHECKING:
    import pandas as pd

KIND = FolderKind(
    "Data Docs",
    (
        "static/styles/data_docs_default_styles.css",
        "index.html",
        "static/**/*",
        "expectations/**/*",
        "validations/**/*",
    ),
)
NUM_EXAMPLES = 5  # of the rows that fail a check
ROW = ("split", "index", "file")  # the columns that say which one a row is
CRITICAL, WARNING = "critical", "warning"
IN_SET, WITHIN = "ColumnValuesToBeInSet", "ColumnValuesToBeBetween"


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


class Check(NamedTuple):
    """One expectation, in words and as a class of Great Expectations.

    `kind` is the class without `Expect`, `settings` are its own; `rows` selects rows by a column
    and its value.
    """

    name: str
    severity: str
    expected: str
    kind: str
    settings: dict[str, Any]
    rows: tuple[str, str] | None = None


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
    suites = {
        "images": list(_checks_of_images(declared, limits)),
        "fields": [
            check
            for name, field in declared.spec.items()
            if name not in ("images", "labels")
            for check in _checks_of_field(name, field)
        ],
    }
    with _great_expectations() as gx:
        return _validate(gx, suites, tables, data_docs)


def _checks_of_images(declared: Declared, limits: Validation) -> Iterator[Check]:
    profile = declared.profile
    if declared.held_out:  # what is known is known of the whole data set
        profile = Profile(num_test=profile.num_test, may_share=profile.may_share)
    yield from _counts(profile)
    yield from _values("x".join(map(str, declared.spec["images"].shape)))
    for column, centre in (("mean", profile.mean), ("deviation", profile.deviation)):
        if centre is not None:
            low, high = (round(centre + sign * limits.max_mean_deviation, 6) for sign in (-1, 1))
            text = f"a {column} of the grey values from {low:g} to {high:g}"
            bounds = {"column": column, "min_value": low, "max_value": high}
            yield Check(f"profile_{column}", WARNING, text, "ColumnMeanToBeBetween", bounds)
    if declared.num_classes:
        yield from _classes(declared, limits)
    else:
        only = {"column": "label", "value_set": [-1]}
        yield Check("labels", CRITICAL, "labels of -1 only", IN_SET, only)
    yield from _splits_apart(profile)


def _counts(profile: Profile) -> Iterator[Check]:
    for split in SPLITS:
        count = profile.num_test if split == "test" else None
        text = f"{count} images" if count else "at least 1 image"
        bounds, kind = {"min_value": count or 1, "max_value": count}, "TableRowCountToBeBetween"
        yield Check(f"num_{split}_images", CRITICAL, text, kind, bounds, ("split", split))
    if profile.num_images:
        text, number = f"{profile.num_images} images in all splits together", profile.num_images
        yield Check("num_images", CRITICAL, text, "TableRowCountToEqual", {"value": number})


def _values(shape: str) -> Iterator[Check]:
    shapes = {"column": "shape", "value_set": [shape]}
    yield Check("shape", CRITICAL, f"images of {shape}", IN_SET, shapes)
    types = {"column": "type", "value_set": ["uint8"]}
    yield Check("type", CRITICAL, "uint8 values", IN_SET, types)
    for column, bound in (("minimum", {"min_value": 0}), ("maximum", {"max_value": 255})):
        text = f"a {column} grey value within 0 to 255"
        yield Check(f"{column}_range", CRITICAL, text, WITHIN, {"column": column, **bound})
    text = "a largest grey value of at least 128 (values of 0 to 1 are not stretched to 0 to 255)"
    bright = {"column": "maximum", "min_value": 128}
    yield Check("value_spread", WARNING, text, "ColumnMaxToBeBetween", bright)
    varied = {"column": "deviation", "min_value": 0, "strict_min": True}
    text = "images of more than one grey value"
    yield Check("no_constant_images", CRITICAL, text, WITHIN, varied)


def _classes(declared: Declared, limits: Validation) -> Iterator[Check]:
    every = list(range(declared.num_classes))
    learned = [label for label in every if label not in declared.held_out]
    bounds = {"column": "label", "min_value": 0, "max_value": every[-1]}
    yield Check("labels", CRITICAL, f"labels from 0 to {every[-1]}", WITHIN, bounds)
    for split in SPLITS:
        rows = ("split", split)
        wanted = {"column": "label", "value_set": every if split == "test" else learned}
        if declared.held_out and split != "test":
            text = f"no images of the classes that are held out in {split}"
            yield Check(f"held_out_of_{split}", CRITICAL, text, IN_SET, wanted, rows)
        severity = CRITICAL if split == "train" else WARNING
        text, kind = f"images of every class in {split}", "ColumnDistinctValuesToContainSet"
        yield Check(f"classes_in_{split}", severity, text, kind, wanted, rows)
    least, most, train = limits.min_images_per_class, limits.max_class_imbalance, ("split", "train")
    size, kind = {"column": "class_size", "min_value": least}, "ColumnMinToBeBetween"
    text = f"at least {least} images per class in train"
    yield Check("images_per_class", CRITICAL, text, kind, size, train)
    ratio, kind = {"column": "class_ratio", "max_value": most}, "ColumnMaxToBeBetween"
    text = f"at most {most:g} times as many train images in the largest class as in the smallest"
    yield Check("class_balance", WARNING, text, kind, ratio, train)


def _splits_apart(profile: Profile) -> Iterator[Check]:
    new = {"column": "seen_before", "value_set": [False]}
    for split, earlier, severity in (
        ("test", "train or validation", WARNING if profile.may_share else CRITICAL),
        ("validation", "train", CRITICAL),
    ):
        text = f"{split} images that are not in {earlier}"
        yield Check(f"{split}_apart", severity, text, IN_SET, new, ("split", split))
    text, once = "train images that are there once", {"column": "sha256"}
    kind, train = "ColumnValuesToBeUnique", ("split", "train")
    yield Check("no_repeats_in_train", WARNING, text, kind, once, train)


def _checks_of_field(name: str, field: Field) -> Iterator[Check]:
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
        wanted = {"column": column, "value_set": [value]}
        yield Check(f"{name}_{column}", CRITICAL, text, IN_SET, wanted, ("index", name))


# Great Expectations


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


def _validate(
    gx: Any,
    suites: Mapping[str, list[Check]],
    tables: Mapping[str, "pd.DataFrame"],
    data_docs: Path,
) -> list[dict[str, Any]]:
    """Runs the suites, writes the Data Docs and returns one entry per check, in order."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("genlab")
    summaries = []
    for name, checks in suites.items():
        if checks:
            expectations = [_expectation(gx, check) for check in checks]
            suite = context.suites.add(gx.ExpectationSuite(name, expectations=expectations))
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
            definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
            result = context.validation_definitions.add(definition).run(
                batch_parameters={"dataframe": tables[name]},
                result_format={
                    "result_format": "SUMMARY",
                    "partial_unexpected_count": NUM_EXAMPLES,
                    "unexpected_index_column_names": [
                        column for column in ROW if column in tables[name].columns
                    ],
                },
            )
            observed = {
                part.expectation_config.meta["name"]: (bool(part.success), _observe(part, name))
                for part in result.results
            }
            for check in checks:
                success, words = observed[check.name]
                summary = {"name": check.name, "severity": check.severity, "success": success}
                summaries.append(summary | {"expected": check.expected, "observed": words})
    _write_data_docs(context, data_docs)
    return summaries


def _expectation(gx: Any, check: Check) -> Any:
    from great_expectations.expectations.row_conditions import Column

    settings = dict(check.settings)
    if check.rows:
        column, value = check.rows
        settings["row_condition"] = Column(column) == value
    kind = getattr(gx.expectations, f"Expect{check.kind}")
    meta = {"name": check.name, "expected": check.expected}
    return kind(severity=check.severity, meta=meta, **settings)


def _write_data_docs(context: Any, data_docs: Path) -> None:
    with replacing(data_docs, KIND) as building:
        store = {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(building),
        }
        site = {
            "class_name": "SiteBuilder",
            "site_name": "images",
            "store_backend": store,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        context.add_data_docs_site("images", site)
        context.build_data_docs(site_names=["images"])


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
    examples = ", ".join(map(_row, unexpected))
    more = ", ..." if facts["unexpected_count"] > len(unexpected) else ""
    counts = f"{facts['unexpected_count']} of {facts['element_count']}"
    return f"others: {counts} {rows} ({examples}{more})"


def _row(row: Mapping[str, Any]) -> str:
    place = f"{row['split']} {row['index']}"
    return f"{place}: {row['file']}" if "file" in row else place
