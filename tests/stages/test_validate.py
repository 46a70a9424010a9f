"""Stage `validate`: every planted fault is named, and critical or a warning as it should be."""

import json
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_server import write_pictures
from PIL import Image

from genlab.contract.fields import Field, spec_to_json
from genlab.data import table
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
    IMAGES.mkdir()
    (IMAGES / "dataset.json").write_text((fetched / "dataset.json").read_text())
    return {
        f"{split}_{part}": np.array(array)
        for split in SPLITS
        for part, array in read_split(fetched, split)._asdict().items()
    }


def run(params: Params, arrays: Arrays) -> dict[str, dict]:
    """Validates the arrays and returns the checks by name."""
    for name, array in arrays.items():
        np.save(IMAGES / f"{name}.npy", array)
    validate.run(params, IMAGES, OUT, DOCS)
    return {check["name"]: check for check in json.loads(OUT.read_text())["checks"]}


def refusal(params: Params, arrays: Arrays) -> list[str]:
    """Returns what is said of each critical check that fails."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("an older one")
    with pytest.raises(InputError) as caught:
        run(params, arrays)
    assert not OUT.exists()
    assert (DOCS / "index.html").is_file()
    head, *lines = caught.value.where.split("\n  ")
    assert caught.value.received == f"{len(lines)} failed"
    assert head == "See reports/data_docs/index.html:"
    return lines


def describe(**changes: Any) -> None:
    """Changes dataset.json."""
    description = read_description(IMAGES) | changes
    (IMAGES / "dataset.json").write_text(json.dumps(description))


def relabel(arrays: Arrays, split: str, old: int, new: int, keep: int = 0) -> None:
    rows = np.flatnonzero(arrays[f"{split}_labels"] == old)
    arrays[f"{split}_labels"][rows[keep:]] = new


def test_digits_pass_and_validation_json_is_stable(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)
    checks = run(params, arrays)
    assert warnings.showwarning is shown
    assert warnings.filters == filters
    assert logging._warnings_showwarning is None  # type: ignore[attr-defined]
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


# Critical faults


def test_faults_are_critical(params: Params, arrays: Arrays) -> None:
    for part in ("images", "labels"):
        arrays[f"train_{part}"] = arrays[f"train_{part}"][1:]
    arrays["train_images"][3] = 0
    arrays["train_images"][8] = 90
    arrays["train_images"][5] = arrays["test_images"][7]
    arrays["validation_images"][6] = arrays["test_images"][9]
    arrays["train_images"][7] = arrays["validation_images"][8]
    relabel(arrays, "train", 3, 8)
    relabel(arrays, "train", 4, 8, keep=9)
    arrays["test_labels"][:2] = (10, -1)
    assert refusal(params, arrays) == [
        f"{check}, received {observed}"
        for check, observed in (
            ("num_images: expected 1797 images in all splits together", "1796"),
            (
                "no_constant_images: expected images of more than one grey value",
                "others: 2 of 1796 images (train 3, train 8)",
            ),
            ("labels: expected labels from 0 to 9", "others: 2 of 1796 images (test 0, test 1)"),
            ("classes_in_train: expected images of every class in train", "none of 3"),
            ("images_per_class: expected at least 10 images per class in train", "9"),
            (
                "test_apart: expected test images that are not in train or validation",
                "others: 2 of 360 images (test 7, test 9)",
            ),
            (
                "validation_apart: expected validation images that are not in train",
                "others: 1 of 139 images (validation 8)",
            ),
        )
    ]


def test_wrong_shapes_and_types_are_critical(params: Params, arrays: Arrays) -> None:
    arrays["validation_images"] = arrays["validation_images"][:, :7]
    arrays["test_images"] = arrays["test_images"].astype(np.int16) - 1
    lines = refusal(params, arrays)
    assert [line.partition(",")[0] for line in lines] == [
        "shape: expected images of 8x8x1",
        "type: expected uint8 values",
        "minimum_range: expected a minimum grey value within 0 to 255",
    ]


def test_wrong_numbers_of_test_and_validation_images_are_critical(
    params: Params, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "PROFILE", Profile(num_test=361))
    for part in ("images", "labels"):
        arrays[f"validation_{part}"] = arrays[f"validation_{part}"][:0]
    assert refusal(params, arrays) == [
        "num_validation_images: expected at least 1 image, received 0",
        "num_test_images: expected 361 images, received 360",
    ]


# Warnings


def test_suspicious_images_only_warn(
    params: Params, arrays: Arrays, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(digits, "PROFILE", digits.PROFILE._replace(may_share=True))
    for split in SPLITS:
        arrays[f"{split}_images"] //= 4
    arrays["train_images"][5] = arrays["test_images"][7]
    arrays["train_images"][11] = arrays["train_images"][12]
    relabel(arrays, "train", 3, 8, keep=20)
    relabel(arrays, "test", 4, 8)
    checks = run(params, arrays)
    failed = [name for name, check in checks.items() if not check["success"]]
    assert failed == [
        "value_spread",
        "profile_mean",
        "profile_deviation",
        "classes_in_test",
        "class_balance",
        "test_apart",
        "no_repeats_in_train",
    ]
    assert json.loads(OUT.read_text())["success"] is False
    note, *printed = capsys.readouterr().err.splitlines()
    assert note == "validate: checking 1797 images of digits"
    starts = [f"validate: warning: {name}: expected " for name in failed]
    assert all(line.startswith(start) for line, start in zip(printed, starts, strict=True))
    assert "a mean of the grey values from 0.285309 to" in printed[1]
    assert "received none of 4" in printed[3]
    assert "at most 3 times as many train images in the largest class" in printed[4]
    assert "others: 2 of" in printed[6]
    assert "(train 11, train 12)" in printed[6]


# Classes


def test_images_without_labels_have_no_class_checks(params: Params, arrays: Arrays) -> None:
    fields = spec_to_json({"images": digits.FIELDS["images"]})
    describe(class_names=[], fields=fields)
    for split in SPLITS:
        arrays[f"{split}_labels"][:] = -1
    checks = run(params, arrays)
    assert checks["labels"]["success"]
    assert not [name for name in checks if "class" in name]
    assert json.loads(OUT.read_text())["class_counts"] == {split: [] for split in SPLITS}


def hold_out(arrays: Arrays, *labels: int) -> None:
    """Takes classes out of train and validation, as stage `fetch` does."""
    for split in ("train", "validation"):
        rows = ~np.isin(arrays[f"{split}_labels"], labels)
        for part in ("images", "labels"):
            arrays[f"{split}_{part}"] = arrays[f"{split}_{part}"][rows]
    describe(held_out_classes=list(map(str, labels)))


def test_held_out_classes_are_no_fault(
    params: Params, arrays: Arrays, capsys: pytest.CaptureFixture
) -> None:
    hold_out(arrays, 3, 9)
    checks = run(params, arrays)
    assert all(check["success"] for check in checks.values())
    assert "num_images" not in checks, "the count is known of the whole data set"
    assert "profile_mean" not in checks
    assert "warning" not in capsys.readouterr().err


def test_held_out_class_in_train_and_a_lost_class_are_critical(
    params: Params, arrays: Arrays
) -> None:
    hold_out(arrays, 3)
    relabel(arrays, "train", 4, 8)
    arrays["train_labels"][7] = 3
    assert refusal(params, arrays) == [
        "held_out_of_train: expected no images of the classes that are held out in train, "
        f"received others: 1 of {len(arrays['train_labels'])} images (train 7)",
        "classes_in_train: expected images of every class in train, received none of 4",
        "images_per_class: expected at least 10 images per class in train, received 1",
    ]


# Other fields


def add_fields(arrays: Arrays) -> None:
    """Adds one field of each kind; `words` are fewer than the images."""
    spec = digits.FIELDS | {
        "inputs": Field((4, 4, 3), "image"),
        "factors": Field((2,), "factors"),
        "words": Field((), "label", ("a", "b", "c"), aligned=False),
    }
    describe(fields=spec_to_json(spec))
    for split in SPLITS:
        count = len(arrays[f"{split}_images"])
        arrays[f"{split}_inputs"] = np.zeros((count, 4, 4, 3), np.uint8)
        arrays[f"{split}_factors"] = np.zeros((count, 2), np.float32)
        arrays[f"{split}_words"] = np.array([0, 1, 2])


def test_other_fields_are_checked(params: Params, arrays: Arrays) -> None:
    add_fields(arrays)
    checks = run(params, arrays)
    assert all(check["success"] for check in checks.values())
    added = [name for name in checks if name.startswith(("inputs", "factors", "words"))]
    assert len(added) == 12
    assert checks["inputs_shape"]["expected"] == "inputs of 4x4x3"
    assert list(DOCS.rglob("genlab-fields.html"))


def test_faults_of_other_fields_are_critical(params: Params, arrays: Arrays) -> None:
    add_fields(arrays)
    arrays["train_inputs"] = arrays["train_inputs"][1:]
    arrays["validation_inputs"] = arrays["validation_inputs"][:, :3]
    arrays["test_inputs"] = arrays["test_inputs"].astype(np.float64) - 1
    arrays["test_factors"][7, 1] = np.nan
    arrays["train_words"] = np.array([3])
    arrays["test_words"] = np.zeros(0, np.int64)
    assert refusal(params, arrays) == [
        f"{check}, received others: 1 of 3 fields ({row})"
        for check, row in (
            ("inputs_complete: expected inputs for every image", "train inputs"),
            ("inputs_shape: expected inputs of 4x4x3", "validation inputs"),
            ("inputs_type: expected inputs of uint8", "test inputs"),
            ("inputs_in_range: expected inputs within 0 to 255", "test inputs"),
            ("factors_in_range: expected factors within finite numbers", "test factors"),
            ("words_complete: expected at least one of words", "test words"),
            ("words_in_range: expected words within 0 to 2", "train words"),
        )
    ]


# The table


def test_table_has_one_row_per_image_with_known_values() -> None:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    images[1] = [[[0], [255]], [[0], [255]]]
    images[2] = 51
    rows = table.image_table(
        {
            "train": Split(images, np.array([0, 0, 1])),
            "validation": Split(images[:1] + 1, np.array([0])),
            "test": Split(images[1:2], np.array([1])),
        }
    )
    assert rows["split"].tolist() == ["train"] * 3 + ["validation", "test"]
    assert rows["index"].tolist() == [0, 1, 2, 0, 0]
    assert set(rows["shape"]) == {"2x2x1"}
    np.testing.assert_allclose(rows["mean"], [0, 0.5, 0.2, 1 / 255, 0.5], rtol=1e-6)
    np.testing.assert_allclose(rows["deviation"], [0, 0.5, 0, 0, 0.5], rtol=1e-6)
    assert rows["class_size"].tolist() == [2, 2, 1, 1, 1]
    assert rows["class_ratio"].tolist() == [2, 2, 1, 1, 1]
    assert rows["seen_before"].tolist() == [False, False, False, False, True]
    zeros = "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"  # 4 zero bytes
    assert rows["sha256"][0] == zeros


def test_table_does_not_depend_on_chunks(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {
        split: Split(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in SPLITS
    }
    whole = table.image_table(splits)
    monkeypatch.setattr(table, "CHUNK_VALUES", 64 * 7)
    assert whole.equals(table.image_table(splits))


def test_pictures_are_named_by_their_files(
    change_data: Callable[..., Params], workplace: Path, capsys: pytest.CaptureFixture
) -> None:
    own = workplace / "own"
    write_pictures(own)
    Image.new("RGB", (10, 12), (9, 9, 9)).save(own / "cats" / "blank\n.png")
    for name in ("a", "b"):
        Image.open(own / "dogs" / "001.png").save(own / "dogs" / f"copy_{name}.png")
    fetch.run(change_data(name="image_folder", directory=str(own), channels=3), IMAGES)
    with pytest.raises(InputError) as caught:
        validate.run(change_data(name="image_folder"), IMAGES, OUT, DOCS)
    said = caught.value.where + capsys.readouterr().err
    assert re.search(r"1 of \d+ images \((train|validation|test) \d+: cats/blank\\n\.png\)", said)
    assert re.search(r"3 of \d+ images \(train \d+: dogs/[^,]*, train \d+: dogs/", said)


def test_folder_that_fetch_did_not_write_is_refused(params: Params, workplace: Path) -> None:
    with pytest.raises(InputError) as caught:
        validate.run(params, IMAGES, OUT, DOCS)
    assert caught.value.where == "Run: dvc repro fetch"


def test_real_mnist_is_fetched_and_passes(
    mnist_mirror: str,
    change_data: Callable[..., Params],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("GENLAB_DATA_MIRROR", mnist_mirror)
    params = change_data(name="mnist")
    fetch.run(params, IMAGES)
    counts = read_description(IMAGES)["num_images"]
    assert counts["train"] + counts["validation"] == 60_000
    assert abs(counts["validation"] - 6000) < 4 * np.sqrt(60_000 * 0.1 * 0.9)
    labels = {split: read_split(IMAGES, split).labels for split in SPLITS}
    published = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount([*labels["train"], *labels["validation"]]).tolist() == published
    assert np.bincount(labels["test"])[:3].tolist() == [980, 1135, 1032]
    train = [read_split(IMAGES, split).images for split in ("train", "validation")]
    total = sum(images.sum(dtype=np.int64) for images in train)
    assert total / (60_000 * 784 * 255) == pytest.approx(0.1307, abs=5e-5)  # the usual value
    validate.run(params, IMAGES, OUT, DOCS)
    checks = {check["name"]: check for check in json.loads(OUT.read_text())["checks"]}
    assert all(check["success"] for check in checks.values())  # no image twice, for one
    assert checks["profile_mean"]["observed"] == "0.130925"
    assert "warning" not in capsys.readouterr().err
