"""Stage `validate`: every planted fault is found, named, and weighed as it should be."""

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genlab.data.declaration import Profile
from genlab.datasets import digits
from genlab.imaging.arrays import SPLITS, Split, read_description, read_split
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.stages import fetch, validate

IMAGES, OUT, DOCS = Path("images"), Path("data/validation.json"), Path("reports/data_docs")
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder for the fetched digits, filled by the first test that needs them."""
    return tmp_path_factory.mktemp("fetched") / "images"


@pytest.fixture
def arrays(fetched: Path, params: Params, workplace: Path) -> Arrays:
    """Returns the digits as stage `fetch` writes them, for a test to spoil."""
    if not fetched.exists():
        fetch.run(params, fetched)
    splits = {split: read_split(fetched, split) for split in SPLITS}
    IMAGES.mkdir()
    (IMAGES / "dataset.json").write_text((fetched / "dataset.json").read_text())
    return {
        f"{split}_{part}": np.array(array)
        for split, each in splits.items()
        for part, array in zip(("images", "labels"), each, strict=True)
    }


def run(params: Params, arrays: Arrays) -> dict[str, dict]:
    """Validates the arrays and returns the checks by name."""
    for name, array in arrays.items():
        np.save(IMAGES / f"{name}.npy", array)
    validate.run(params, IMAGES, OUT, DOCS)
    return {check["name"]: check for check in json.loads(OUT.read_text())["checks"]}


def refusal(params: Params, arrays: Arrays) -> list[str]:
    """Returns the lines with which the arrays are refused."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("an older one")
    with pytest.raises(InputError) as caught:
        run(params, arrays)
    assert not OUT.exists()
    assert (DOCS / "index.html").is_file()
    head, *lines = str(caught.value).split("\n  ")
    number = len(lines)
    assert head == (
        f"digits must pass all critical checks. Received: {number} failed. See reports/data_docs/index.html."
    )
    return lines


def test_the_digits_pass_and_validation_json_is_stable(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    checks = run(params, arrays)
    assert all(check["success"] for check in checks.values())
    assert checks["num_images"]["observed"] == "1797"
    assert checks["profile_mean"]["observed"] == "0.305309"
    assert checks["test_apart"] == {
        "name": "test_apart",
        "severity": "critical",
        "success": True,
        "expected": "test images that are not in train or validation",
        "observed": "all",
    }
    first = OUT.read_bytes()
    summary = json.loads(first)
    assert summary["success"] is True
    assert summary["num_images"] == read_description(IMAGES)["num_images"]
    assert sum(summary["class_counts"]["test"]) == 360
    run(params, arrays)
    assert OUT.read_bytes() == first
    assert "warning" not in capsys.readouterr().err
    assert len(list(DOCS.rglob("genlab-images.html"))) == 1  # the former page is gone


def test_python_warnings_are_as_before(params: Params, arrays: Arrays) -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)
    run(params, arrays)
    assert warnings.showwarning is shown
    assert warnings.filters == filters
    assert logging._warnings_showwarning is None  # type: ignore[attr-defined]


def test_constant_images_are_critical(params: Params, arrays: Arrays) -> None:
    arrays["train_images"][[3, 8]] = 0
    arrays["train_images"][8] = 90
    assert refusal(params, arrays) == [
        "no_constant_images: expected images of more than one grey value, "
        "received others: 2 of 1797 images (train 3, train 8)"
    ]


@pytest.mark.parametrize(("source", "target"), [("test", "train"), ("test", "validation")])
def test_a_test_image_elsewhere_is_critical(
    params: Params, arrays: Arrays, source: str, target: str
) -> None:
    arrays[f"{target}_images"][5] = arrays[f"{source}_images"][7]
    assert refusal(params, arrays) == [
        "test_apart: expected test images that are not in train or validation, "
        "received others: 1 of 360 images (test 7)"
    ]


def test_a_validation_image_in_train_is_critical(params: Params, arrays: Arrays) -> None:
    arrays["train_images"][5] = arrays["validation_images"][7]
    assert [line.split(":")[0] for line in refusal(params, arrays)] == ["validation_apart"]


def test_published_repeats_only_warn(
    params: Params, arrays: Arrays, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(digits, "PROFILE", Profile(may_share=True))
    arrays["train_images"][5] = arrays["test_images"][7]
    assert not run(params, arrays)["test_apart"]["success"]
    assert (
        "validate: warning: test_apart: expected test images that are not"
        in capsys.readouterr().err
    )


def test_a_missing_class_is_critical(params: Params, arrays: Arrays) -> None:
    arrays["train_labels"][arrays["train_labels"] == 3] = 8
    lines = refusal(params, arrays)
    assert lines == [
        "classes_in_train: expected images of every class in train, received none of 3"
    ]


def test_a_small_class_is_critical_and_named_by_its_size(params: Params, arrays: Arrays) -> None:
    threes = np.flatnonzero(arrays["train_labels"] == 3)
    arrays["train_labels"][threes[9:]] = 8
    assert refusal(params, arrays) == [
        "images_per_class: expected at least 10 images per class in train, received 9"
    ]


def test_a_label_out_of_range_is_critical(params: Params, arrays: Arrays) -> None:
    arrays["test_labels"][:2] = (10, -1)
    assert refusal(params, arrays) == [
        "labels: expected labels from 0 to 9, received others: 2 of 1797 images (test 0, test 1)"
    ]


def test_a_wrong_count_is_critical(params: Params, arrays: Arrays) -> None:
    for part in ("images", "labels"):
        arrays[f"train_{part}"] = arrays[f"train_{part}"][1:]
    assert refusal(params, arrays) == [
        "num_images: expected 1797 images in all splits together, received 1796"
    ]


def test_a_wrong_number_of_test_images_is_critical(
    params: Params, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "PROFILE", Profile(num_test=361))
    assert refusal(params, arrays) == ["num_test_images: expected 361 images, received 360"]


def test_a_split_without_images_is_critical(params: Params, arrays: Arrays) -> None:
    for part in ("images", "labels"):
        arrays[f"validation_{part}"] = arrays[f"validation_{part}"][:0]
    assert "num_validation_images: expected at least 1 image, received 0" in refusal(params, arrays)


def test_a_wrong_shape_or_type_is_critical(params: Params, arrays: Arrays) -> None:
    spoilt = {**arrays, "test_images": arrays["test_images"][:, :7]}
    assert [line.split(",")[0] for line in refusal(params, spoilt)] == [
        "shape: expected images of 8x8x1"
    ]
    spoilt = {**arrays, "test_images": arrays["test_images"].astype(np.int16) - 1}
    assert [line.split(":")[0] for line in refusal(params, spoilt)] == ["type", "minimum_range"]


def test_several_faults_are_several_lines(params: Params, arrays: Arrays) -> None:
    arrays["train_images"][3] = 0
    arrays["train_images"][5] = arrays["test_images"][7]
    assert [line.split(":")[0] for line in refusal(params, arrays)] == [
        "no_constant_images",
        "test_apart",
    ]


def test_a_shift_of_values_warns(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    for split in SPLITS:
        images = arrays[f"{split}_images"]
        arrays[f"{split}_images"] = (images * 0.9).astype(np.uint8)
    checks = run(params, arrays)
    failed = [name for name, check in checks.items() if not check["success"]]
    assert failed == ["profile_mean", "profile_deviation"]
    assert json.loads(OUT.read_text())["success"] is False
    note, *printed = capsys.readouterr().err.splitlines()
    assert note == "validate: checking 1797 images of digits"
    assert printed[0].startswith(
        "validate: warning: profile_mean: expected a mean of the grey values from 0.285309 to"
    )


def test_values_that_were_not_stretched_warn(params: Params, arrays: Arrays) -> None:
    for split in SPLITS:
        arrays[f"{split}_images"] //= 16
    assert not run(params, arrays)["value_spread"]["success"]


def test_imbalance_and_repeats_warn(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    threes = np.flatnonzero(arrays["train_labels"] == 3)
    arrays["train_labels"][threes[20:]] = 8
    arrays["train_images"][11] = arrays["train_images"][12]
    run(params, arrays)
    printed = capsys.readouterr().err
    assert "class_balance: expected at most 3 times as many train images" in printed
    assert (
        "no_repeats_in_train: expected train images that are there once, received others: 2 of"
        in printed
    )
    assert "(train 11, train 12)" in printed


def test_a_class_that_is_missing_in_test_warns(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    arrays["test_labels"][arrays["test_labels"] == 3] = 8
    run(params, arrays)
    assert (
        "classes_in_test: expected images of every class in test, received none of 3"
        in capsys.readouterr().err
    )


def test_images_without_labels_have_no_class_checks(params: Params, arrays: Arrays) -> None:
    description = read_description(IMAGES)
    (IMAGES / "dataset.json").write_text(json.dumps({**description, "class_names": []}))
    for split in SPLITS:
        arrays[f"{split}_labels"][:] = -1
    checks = run(params, arrays)
    assert checks["labels"]["success"]
    assert not [name for name in checks if "class" in name]
    assert json.loads(OUT.read_text())["class_counts"] == {
        "train": [],
        "validation": [],
        "test": [],
    }


def hold_out(arrays: Arrays, *labels: int) -> None:
    """Takes classes out of train and validation, as stage `fetch` does."""
    for split in ("train", "validation"):
        kept = ~np.isin(arrays[f"{split}_labels"], labels)
        for part in ("images", "labels"):
            arrays[f"{split}_{part}"] = arrays[f"{split}_{part}"][kept]
    description = read_description(IMAGES) | {"held_out_classes": list(map(str, labels))}
    (IMAGES / "dataset.json").write_text(json.dumps(description))


def test_held_out_classes_are_no_fault(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    hold_out(arrays, 3, 9)
    checks = run(params, arrays)
    assert all(check["success"] for check in checks.values())
    assert "num_images" not in checks, "the count is known of the whole data set"
    assert "profile_mean" not in checks
    assert "warning" not in capsys.readouterr().err


def test_an_image_of_a_held_out_class_is_critical(params: Params, arrays: Arrays) -> None:
    hold_out(arrays, 3)
    arrays["train_labels"][7] = 3
    assert refusal(params, arrays) == [
        "held_out_of_train: expected no images of the classes that are held out in train, "
        f"received others: 1 of {len(arrays['train_labels'])} images (train 7)",
        "images_per_class: expected at least 10 images per class in train, received 1",
    ]


def test_a_class_that_is_lost_beside_the_held_out_one_is_critical(
    params: Params, arrays: Arrays
) -> None:
    hold_out(arrays, 3)
    arrays["train_labels"][arrays["train_labels"] == 4] = 8
    assert refusal(params, arrays) == [
        "classes_in_train: expected images of every class in train, received none of 4"
    ]


def test_table_has_one_row_per_image_with_known_values() -> None:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    images[1] = [[[0], [255]], [[0], [255]]]
    images[2] = 51
    splits = {
        "train": Split(images, np.array([0, 0, 1])),
        "validation": Split(images[:1] + 1, np.array([0])),
        "test": Split(images[1:2], np.array([1])),
    }
    table = validate.build_table(splits)
    assert table["split"].tolist() == ["train"] * 3 + ["validation", "test"]
    assert table["index"].tolist() == [0, 1, 2, 0, 0]
    assert set(table["shape"]) == {"2x2x1"}
    np.testing.assert_allclose(table["mean"], [0, 0.5, 0.2, 1 / 255, 0.5], rtol=1e-6)
    np.testing.assert_allclose(table["deviation"], [0, 0.5, 0, 0, 0.5], rtol=1e-6)
    assert table["class_size"].tolist() == [2, 2, 1, 1, 1]
    assert table["class_ratio"].tolist() == [2, 2, 1, 1, 1]
    assert table["seen_before"].tolist() == [False, False, False, False, True]
    assert (
        table["sha256"][0] == "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
    )  # of 4 zero bytes


def test_table_does_not_depend_on_chunks(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {
        split: Split(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in SPLITS
    }
    whole = validate.build_table(splits)
    monkeypatch.setattr(validate, "CHUNK_VALUES", 64 * 7)
    assert whole.equals(validate.build_table(splits))


def test_a_folder_that_fetch_did_not_write_is_refused(params: Params, workplace: Path) -> None:
    with pytest.raises(InputError, match=r"images/dataset.json must describe a fetched data set"):
        validate.run(params, IMAGES, OUT, DOCS)


def test_real_mnist_passes(
    mnist_mirror: str,
    change_data: Callable[..., Params],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("GENLAB_DATA_MIRROR", mnist_mirror)
    params = change_data(name="mnist")
    fetch.run(params, IMAGES)
    validate.run(params, IMAGES, OUT, DOCS)
    checks = {check["name"]: check for check in json.loads(OUT.read_text())["checks"]}
    assert all(check["success"] for check in checks.values())
    assert checks["test_apart"]["observed"] == "all"
    assert checks["profile_mean"]["observed"] == "0.130925"
    assert "warning" not in capsys.readouterr().err
