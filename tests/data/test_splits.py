"""What goes where when a data set is written, and that every field arrives."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from genlab.contract.fields import Field, labelled_images, read_arrays, read_spec
from genlab.data import inputs, splits, splitting
from genlab.data.declaration import RawSplits
from genlab.imaging.arrays import SPLITS, digest, read_description
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.params import Params

ChangeData = Callable[..., Params]
SHAPE = (2, 2, 1)
EACH = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
OTHERS = st.lists(st.integers(0, 255), max_size=20)


def images_of(numbers: Any) -> np.ndarray:
    """Returns images of one grey value each: equal numbers, equal images."""
    values = np.asarray(numbers, np.uint8).reshape(-1, 1, 1, 1)
    return np.broadcast_to(values, (len(values), *SHAPE))


def raw_splits(numbers: Any, **more: tuple[Field, np.ndarray, np.ndarray]) -> RawSplits:
    """Returns images without classes, and other fields, each with its train and its test rows."""
    fields = labelled_images(SHAPE, ()) | {name: field for name, (field, _, _) in more.items()}
    train = {name: array for name, (_, array, _) in more.items()}
    test = {name: array for name, (_, _, array) in more.items()}
    images, last = images_of(numbers), images_of([7, 8, 9])
    return RawSplits(fields, {"images": images, **train}, {"images": last, **test})


def write(raw: RawSplits, params: Params, out: Path) -> dict[str, dict[str, np.ndarray]]:
    splits.write(out, raw, params, {"licence": "none"})
    names = [path.stem.removeprefix("test_") for path in out.glob("test_*")]
    return {split: read_arrays(out, split, names) for split in SPLITS}


# Which image goes where


@EACH
@given(numbers=st.lists(st.integers(0, 255), min_size=40, max_size=60), others=OTHERS)
def test_equal_images_are_on_one_side_and_more_images_move_no_other(
    numbers: list[int], others: list[int], change_data: ChangeData
) -> None:
    params = change_data(validation_share=0.4)
    sides = []
    for images in (numbers, numbers + others):
        with tempfile.TemporaryDirectory() as folder:
            try:
                parts = write(raw_splits(images), params, Path(folder) / "out")
            except InputError:
                assume(False)  # all equal, or nearly
        sides.append([set(parts[split]["images"][:, 0, 0, 0].tolist()) for split in SPLITS])
    for train, validation, _ in sides:
        assert train.isdisjoint(validation)
    for before, after in zip(*sides, strict=True):
        assert before <= after


@EACH
@given(share=st.floats(0.02, 0.98), seed=st.integers(0, 2**32 - 1))
def test_share_is_met(share: float, seed: int) -> None:
    rows = np.arange(2000, dtype=np.uint16)
    chosen = np.array([splitting.chosen(row, share, seed) for row in rows])
    assert abs(chosen.mean() - share) < 5 * np.sqrt(share * (1 - share) / 2000)
    smaller = np.array([splitting.chosen(row, share / 2, seed) for row in rows])
    assert not (smaller & ~chosen).any()


def test_choice_is_a_hash_of_seed_and_image() -> None:
    images = images_of(range(256))
    first = hashlib.sha256((3).to_bytes(4, "big") + bytes([0] * 4)).digest()[:8]
    expected = int.from_bytes(first, "big") / 2**64
    assert splitting.chosen(images[0], expected + 1e-9, 3)
    assert not splitting.chosen(images[0], expected - 1e-9, 3)
    one, other = ([splitting.chosen(image, 0.5, seed) for image in images] for seed in (3, 4))
    assert 0.3 < np.mean(np.equal(one, other)) < 0.7  # 0.5 if they are independent


# Fields


def test_every_field_is_written(change_data: ChangeData, tmp_path: Path) -> None:
    numbers = np.arange(60)
    factors = np.stack([numbers, numbers / 2], axis=1).astype(np.float64)
    painted = np.repeat(np.arange(90, dtype=np.uint8), 12).reshape(90, 2, 2, 3)
    raw = raw_splits(
        numbers,
        labels=(Field((), "label", ("even", "odd")), numbers % 2, np.array([1, 0, 1])),
        factors=(Field((2,), "factors"), factors, np.zeros((3, 2))),
        paintings=(Field((2, 2, 3), "image", aligned=False), painted, painted[:5]),
    )
    parts = write(raw, change_data(validation_share=0.3), tmp_path / "out")
    for split in ("train", "validation"):
        rows = parts[split]["images"][:, 0, 0, 0]
        np.testing.assert_array_equal(parts[split]["labels"], rows % 2)
        np.testing.assert_array_equal(parts[split]["factors"], factors[rows])
    dtypes = {name: array.dtype.name for name, array in parts["train"].items()}
    assert dtypes == {
        "images": "uint8",
        "labels": "int64",
        "factors": "float32",
        "paintings": "uint8",
    }
    paintings = [parts[split]["paintings"][:, 0, 0, 0] for split in SPLITS]
    assert sorted(np.concatenate(paintings[:2])) == list(range(90))
    assert paintings[2].tolist() == [0, 1, 2, 3, 4]
    assert len(paintings[1]) != len(parts["validation"]["images"])
    assert read_spec(tmp_path / "out") == raw.fields
    order = ("images", "labels", "factors", "paintings")
    arrays = [parts[split][name] for split in SPLITS for name in order]
    assert read_description(tmp_path / "out")["sha256"] == digest(*arrays)


def test_images_without_classes_have_labels_of_minus_1(params: Params, tmp_path: Path) -> None:
    parts = write(raw_splits(range(60)), params, tmp_path / "out")
    assert set(parts["train"]["labels"]) == set(parts["test"]["labels"]) == {-1}
    assert list(read_spec(tmp_path / "out")) == ["images"]
    assert read_description(tmp_path / "out")["class_names"] == []


def test_data_set_of_before_has_its_fields(tmp_path: Path) -> None:
    old = {"image_shape": [4, 5, 3], "class_names": ["a", "b"]}
    (tmp_path / "dataset.json").write_text(json.dumps(old))
    assert read_spec(tmp_path) == {
        "images": Field((4, 5, 3), "image"),
        "labels": Field((), "label", ("a", "b")),
    }


# Derived inputs


@pytest.mark.parametrize("name", inputs.DERIVED)
def test_inputs_are_derived_chunk_by_chunk(
    name: str, change_data: ChangeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write(raw_splits(range(60)), change_data(), tmp_path / "plain")
    monkeypatch.setattr(splits, "CHUNK_BYTES", 7 * 4)
    params = change_data(inputs=name)
    parts = write(raw_splits(range(60)), params, tmp_path / "out")
    seed = seeds.derive(params.seed, "fetch", "inputs")
    for split in SPLITS:
        images = parts[split]["images"]
        np.testing.assert_array_equal(images, plain[split]["images"])
        expected = inputs.derive(name, seed, np.asarray(images))
        np.testing.assert_array_equal(parts[split]["inputs"], expected)
        assert "inputs" not in plain[split]
    described, before = (read_description(tmp_path / folder) for folder in ("out", "plain"))
    assert list(described["fields"]) == ["images", "inputs"]
    assert described["sha256"] != before["sha256"]


def test_own_inputs_are_not_replaced(change_data: ChangeData, tmp_path: Path) -> None:
    own = Field(SHAPE, "image"), images_of(range(60)), images_of(range(3))
    with pytest.raises(InputError) as caught:
        write(raw_splits(range(60), inputs=own), change_data(inputs="grey"), tmp_path / "out")
    assert caught.value.received == "grey"
    assert caught.value.where == "See params.yaml: data.inputs"
    assert list(tmp_path.iterdir()) == []


# What is refused


@pytest.mark.parametrize("field", ["images", "paintings"])
def test_every_split_needs_rows_of_every_field(field: str, params: Params, tmp_path: Path) -> None:
    few = {"images": range(3), "paintings": range(60)}[field]
    own = Field(SHAPE, "image", aligned=False), images_of(range(1)), images_of(range(3))
    with pytest.raises(InputError) as caught:
        write(raw_splits(few, paintings=own), params, tmp_path / "out")
    assert f"at least 2 {field} for every split" in caught.value.expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [np.zeros((60, 3, 3, 1), np.uint8), np.zeros((60, *SHAPE), np.float32)]
)
def test_arrays_that_are_not_what_the_fields_say_are_a_defect(
    wrong: np.ndarray, params: Params, tmp_path: Path
) -> None:
    raw = raw_splits(range(60), second=(Field(SHAPE, "image"), wrong, wrong[:3]))
    with pytest.raises((TypeError, ValueError)):
        write(raw, params, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
