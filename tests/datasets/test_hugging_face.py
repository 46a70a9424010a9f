"""Pictures in parquet and arrow files: splits, columns, classes, and what is refused."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import random_images
from picture_kinds import FLAT, KINDS
from picture_rows import write_rows
from pyarrow import parquet

from genlab.data.declaration import RawSplits
from genlab.datasets import hugging_face
from genlab.runtime.errors import InputError
from genlab.settings.params import Params

Read = Callable[..., RawSplits]
IMAGES, OTHERS = random_images(30, (6, 5, 3)), random_images(9, (6, 5, 3), 1)
LABELS, OTHER_LABELS = [0, 1, 2] * 10, [2, 1, 0] * 3
NAMES = ["cat", "dog", "emu"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rows"


@pytest.fixture
def read(folder: Path, tmp_path: Path, change_data: Callable[..., Params]) -> Read:
    def read(**data: Any) -> RawSplits:
        settings = change_data(**{"directory": str(folder), "test_share": 0.25} | data).data
        return hugging_face.read(tmp_path / "downloads", settings, 0)

    return read


@pytest.mark.parametrize(
    "names",
    [
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", "valid.parquet"),
        ("train/data-0.arrow", "test/data-0.arrow", "validation/data-0.arrow"),
    ],
)
def test_splits_and_classes_of_a_folder(folder: Path, read: Read, names: tuple[str, ...]) -> None:
    train, test, validation = (folder / name for name in names)
    write_rows(train, IMAGES, LABELS, NAMES)
    write_rows(test, OTHERS, OTHER_LABELS, NAMES)
    write_rows(validation, OTHERS[:3], OTHER_LABELS[:3], NAMES)
    (folder / "cache-1.arrow").write_bytes(b"no")
    raw = read()
    assert raw.fields["labels"].class_names == ("cat", "dog", "emu")
    np.testing.assert_array_equal(raw.train["images"], IMAGES)
    np.testing.assert_array_equal(raw.train["labels"], LABELS)
    np.testing.assert_array_equal(raw.test["images"], OTHERS)
    np.testing.assert_array_equal(raw.test["labels"], OTHER_LABELS)
    assert raw.validation is not None
    np.testing.assert_array_equal(raw.validation["labels"], OTHER_LABELS[:3])


def test_files_of_other_programs_are_known_by_their_columns(folder: Path, read: Read) -> None:
    write_rows(folder / "a.parquet", IMAGES[:20], [NAMES[label] for label in LABELS[:20]])
    write_rows(folder / "b.parquet", IMAGES[20:], [NAMES[label] for label in LABELS[20:]])
    raw = read()
    assert raw.fields["labels"].class_names == ("cat", "dog", "emu")
    assert len(raw.train["images"]) + len(raw.test["images"]) == 30
    assert len(raw.test["images"]) > 1


def test_pictures_are_decoded_as_everywhere_and_fill_the_size(folder: Path, read: Read) -> None:
    kinds = [kind.content for kind in KINDS.values() if np.array_equal(kind.pixels, FLAT)]
    write_rows(folder / "train.parquet", kinds)
    raw = read(test_share=1e-9)
    assert "labels" not in raw.fields
    assert np.abs(raw.train["images"].astype(int) - FLAT).max() <= 3
    small = read(test_share=1e-9, image_size=(4, 3), channels=1)
    assert small.fields["images"].shape == (4, 3, 1)


def refusal(read: Read, **data: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read(**data)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("cells", "expected", "received"),
    [
        (["aGk=", "aGk="], "row 0 must hold the bytes of a picture", "str"),
        ([None, IMAGES[0]], "row 0 must hold the bytes of a picture", "none"),
        (
            [IMAGES[0], {"bytes": None, "path": "a.png"}],
            "row 1 must hold the bytes of a picture",
            "a path alone",
        ),
        ([b"no", b"no"], "row 0 must be a readable picture", "not an image"),
        (
            [IMAGES[0], IMAGES[0][:4]],
            "pictures must have one size (height x width), or data.image_size must be set",
            "row 1 is 4x5",
        ),
    ],
)
def test_wrong_rows_are_named(
    folder: Path, read: Read, cells: list[Any], expected: str, received: str
) -> None:
    write_rows(folder / "a.parquet", cells)
    error = refusal(read)
    assert expected in error.expected
    assert received in error.received


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_damaged_files_are_named(folder: Path, read: Read, ending: str) -> None:
    path = folder / f"a{ending}"
    write_rows(path, IMAGES)
    whole = path.read_bytes()
    for content in (b"", b"no", whole[: len(whole) // 2], whole[:-20]):
        path.write_bytes(content)
        assert refusal(read).expected in (
            f"{path} must be a whole {ending} file",
            f"{folder} must hold files of .parquet or .arrow",
        )


def test_other_columns_and_empty_folders_are_refused(folder: Path, read: Read) -> None:
    assert refusal(read).received == "no such folder"
    folder.mkdir()
    assert refusal(read).received == "none with rows"
    write_rows(folder / "a.parquet", IMAGES, column="picture")
    error = refusal(read)
    assert error.expected == f"{folder} must hold a column of pictures, or one called image"
    assert error.received == "picture"


def test_hub_needs_the_extra_and_what_is_kept_does_not(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    error = refusal(read, hub_name="user/birds@v1")
    assert error.expected == "data.hub_name needs the package datasets"
    assert error.where == "Run: pip install 'genlab[huggingface]'"
    kept = tmp_path / "downloads" / "user--birds@v1"
    write_rows(kept / "train" / "data-0.arrow", IMAGES, LABELS, NAMES)
    assert read(hub_name="user/birds@v1").fields["labels"].class_names == tuple(NAMES)


def test_columns_must_be_the_same_in_all_files(folder: Path, read: Read) -> None:
    write_rows(folder / "train.parquet", IMAGES, LABELS)
    write_rows(folder / "test.parquet", OTHERS)
    error = refusal(read)
    assert error.expected.endswith("must have the same columns of pictures and labels")
    assert error.received.endswith("train.parquet: image, label; before: image, no labels")
    write_rows(folder / "test.parquet", OTHERS, OTHER_LABELS, column="img")
    assert refusal(read).received.endswith("train.parquet: image, label; before: img, label")


def test_other_columns_are_named_and_an_ending_may_have_capitals(
    folder: Path, read: Read, capfd: pytest.CaptureFixture[str]
) -> None:
    write_rows(folder / "train.parquet", IMAGES)
    table = parquet.read_table(folder / "train.parquet").append_column("fine_label", [LABELS])
    parquet.write_table(table, folder / "train.PARQUET")
    (folder / "train.parquet").unlink()
    assert "labels" not in read().fields
    assert "fetch: columns left out: fine_label" in capfd.readouterr().err
