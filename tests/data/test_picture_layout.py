"""What the folders of pictures mean, and the table beside them; as a folder and in archives."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_trees import WRITERS, tree, write_folder
from repository import ROOT

from genlab.data import picture_files, picture_layout
from genlab.data.picture_layout import Listing
from genlab.runtime.errors import InputError
from genlab.settings.params import Data, build_section, read_yaml

Arrange = Callable[..., Listing]
KINDS = "(PNG, JPEG, WebP, BMP, TIFF or GIF)"
HASH = "by a hash of each picture"


@pytest.fixture(scope="module")
def data() -> Data:
    return build_section(Data, read_yaml(ROOT / "params.yaml")["data"], "params.yaml: data")


@pytest.fixture
def arrange(tmp_path: Path, data: Data) -> Arrange:
    """Returns a function that lists a tree of files."""

    def arrange(files: Mapping[str, bytes], write: Any = write_folder, **settings: str) -> Listing:
        root = write(files, tmp_path / "own")
        with picture_files.opened(root, "See --here") as inside:
            return picture_layout.arrange(inside, data.model_copy(update=settings))

    return arrange


def each(*folders: str) -> list[str]:
    """Returns the names of two pictures in each folder."""
    return [f"{folder}/{name}.png" for folder in folders for name in "ab"]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("names", "class_names", "splits", "words"),
    [
        (["a.png", "b.png"], "", "train 2", f"no classes; split: validation and test {HASH}; no"),
        (
            each("cats", "dogs"),
            "cats dogs",
            "train 4",
            "2 classes by folder (cats, dogs); split: v",
        ),
        (each("x/y/cats", "x/y/dogs"), "cats dogs", "train 4", "by folder in x/y (cats, dogs)"),
        (each("cats"), "", "train 2", "no classes (all are in cats)"),
        (each("x/cats/old", "x/cats/new"), "new old", "train 4", "by folder in x/cats (new, old)"),
        (
            each("train/cats", "train/dogs", "test/cats"),
            "cats dogs",
            "test 2 train 4",
            f"; split: your own (train, test), validation {HASH}; nothing left out",
        ),
        (
            each("own/Train/cats", "own/Train/dogs", "own/valid/cats", "own/TEST/cats"),
            "cats dogs",
            "test 2 train 4 validation 2",
            "in own (cats, dogs); split: your own (train, validation, test); nothing",
        ),
        (each("train/a", "train/b", "val/a"), "a b", "train 4 validation 2", f", test {HASH}"),
        (
            each("training", "testing"),
            "",
            "test 2 train 2",
            "no classes; split: your own (train, test)",
        ),
        (
            each("train/train/a", "train/train/b", "test/test/a"),
            "a b",
            "test 2 train 4",
            "2 classes",
        ),
        (each("train/img/a", "train/img/b", "val/img/a"), "a b", "train 4 validation 2", "in img"),
        (each("train/cats", "test/cats"), "", "test 2 train 2", "no classes (all are in cats)"),
        (each("train/a", "train/b"), "a b", "train 4", "in train (a, b); split: validation and"),
        ([*each("train/a", "train/b"), "notes/x.xml"], "a b", "train 4", "your own (train), valid"),
        (each("train", "bus"), "bus train", "train 4", "(bus, train); split: validation and test"),
        (
            [*each("train/a", "train/b", "test/a", "more"), "loose.png"],
            "a b",
            "test 2 train 4",
            "left out: 3 beside the folders of your split (loose.png, more/a.png, more/b.png)",
        ),
        (
            [*each("a", "b"), "a/x.svg", "a/y.SVG", "b/z.heic", "readme", "a/t.txt", "labels.csv"],
            "a b",
            "train 4",
            "left out: 1 .csv (labels.csv), 1 .heic (b/z.heic), 2 .svg (a/x.svg, a/y.SVG), "
            "1 .txt (a/t.txt), 1 without an ending (readme)",
        ),
        (
            [*each("a", "b"), ".x/c.png", "a/.c.png", "a/._a.png", "__MACOSX/a/a.png", "Thumbs.db"],
            "a b",
            "train 4",
            "nothing left out",
        ),
    ],
)
def test_what_folders_mean(
    arrange: Arrange, write: Any, names: list[str], class_names: str, splits: str, words: str
) -> None:
    listing = arrange(tree(names), write)
    assert " ".join(listing.class_names) == class_names
    counts = sorted(Counter(listing.splits).items())
    assert " ".join(f"{split} {number}" for split, number in counts) == splits
    assert words in listing.words
    assert len(listing.labels) == (len(listing.pictures) if class_names else 0)
    for picture, label in zip(listing.pictures, listing.labels, strict=False):
        assert listing.class_names[label] in picture.parts
    assert [picture.parts for picture in listing.pictures] == sorted(
        picture.parts for picture in listing.pictures
    )


def test_folders_called_like_splits_may_be_classes(arrange: Arrange) -> None:
    listing = arrange(tree(each("train", "test")), split_folders="none")
    assert listing.class_names == ("test", "train")
    assert set(listing.splits) == {"train"}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("names", "expected", "received"),
    [
        ([*each("cats"), "dogs/"], f"/dogs must hold pictures {KINDS}", "an empty folder"),
        (
            [*each("a", "b"), "c/x.svg"],
            f"/c must hold pictures {KINDS}",
            "left out: 1 .svg (c/x.svg)",
        ),
        (
            [*each("train/a", "train/b", "test/a"), "test/b/"],
            "/test/b must hold",
            "an empty folder",
        ),
        ([*each("train/a", "train/b"), "test/"], "/test must hold", "an empty folder"),
        (each("test/a", "val/a"), "must hold a folder train beside test, val", "none"),
        ([*each("a", "b"), "c.png", "d.png"], "or none", "c.png and 1 more beside the subfolders"),
        (["x.svg", "a/"], f"must hold pictures {KINDS}", "none; left out: 1 .svg (x.svg)"),
        (["a/"], f"must hold pictures {KINDS}", "none"),
    ],
)
def test_what_is_refused(
    arrange: Arrange, write: Any, names: list[str], expected: str, received: str
) -> None:
    with pytest.raises(InputError) as caught:
        arrange(tree(names), write)
    assert expected in caught.value.expected
    assert caught.value.received == received
    assert "\n" not in str(caught.value)


# The table


PAIR = ["a.png", "b.png"]
JSONL = [
    {"file_name": "b.png", "label": 3, "size": 1.5, "round": True, "text": ["a"], "place": "sea"},
    {"file_name": "./a.png", "label": 10, "size": 2, "round": False, "text": [], "place": "land"},
]


def rows(*lines: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.mark.parametrize("write", WRITERS)
def test_table_gives_labels_and_factors(arrange: Arrange, write: Any) -> None:
    listing = arrange(tree(PAIR) | {"metadata.jsonl": rows(*JSONL)}, write)
    assert listing.class_names == ("3", "10")
    assert listing.labels.tolist() == [1, 0]
    assert listing.factor_names == ("size", "round", "place")
    assert listing.factors.dtype == np.float32
    assert listing.factors.tolist() == [[2, 0, 0], [1.5, 1, 1]]
    assert listing.words.startswith("2 classes by table (3, 10); split: ")
    assert "; 3 factors (size, round, place), columns left out: text (" in listing.words


@pytest.mark.parametrize(
    ("table", "class_names", "labels", "factors", "words"),
    [
        ("file_name,label\na.png,007\nb.png,NA\n", "007 NA", [0, 1], [[], []], "0 factors (none)"),
        (
            "\ufefffile_name,label\na.png,x\nb.png,x\n",
            "",
            [],
            [[], []],
            "no classes (all are in x)",
        ),
        ("file_name,age\nb.png,1\na.png,2\n", "", [], [[2], [1]], "no classes; split"),
        ("file_name,age\nb.png,1\na.png,\n", "", [], [[], []], "age (nothing in 1 rows)"),
        ("file_name,age\nb.png,1\na.png,inf\n", "", [], [[], []], "age (numbers that are not fin"),
        ("file_name,age\nb.png,1\na.png,1e39\n", "", [], [[], []], "age (numbers that are not f"),
    ],
)
def test_tables_in_csv(
    arrange: Arrange, table: str, class_names: str, labels: list[int], factors: Any, words: str
) -> None:
    listing = arrange(tree(PAIR) | {"metadata.csv": table.encode()})
    assert " ".join(listing.class_names) == class_names
    assert listing.labels.tolist() == labels
    assert listing.factors.tolist() == factors
    assert words in listing.words


@pytest.mark.parametrize(
    ("number", "words", "is_factor"),
    [(9, 5, False), (10, 5, True), (300, 101, False), (2, 2, True)],
)
def test_words_are_a_factor_if_they_are_few(
    arrange: Arrange, number: int, words: int, is_factor: bool
) -> None:
    names = [f"{row}.png" for row in range(number)]
    lines = [f"{name},about {row % words}" for row, name in enumerate(names)]
    table = "\n".join(["file_name,title", *lines]).encode()
    listing = arrange(tree(names) | {"metadata.csv": table})
    assert listing.factor_names == (("title",) if is_factor else ())
    assert (f"left out: title ({words} different words)" in listing.words) == (not is_factor)


def test_each_split_may_have_its_table(arrange: Arrange) -> None:
    files = tree(["top/train/img/a.png", "top/test/img/a.png", "top/more/a.png"])
    for split, label in (("train", "cat"), ("test", "dog")):
        content = f"file_name,species\nimg/a.png,{label}\n".encode()
        files[f"top/{split}/metadata.csv"] = content
    listing = arrange(files, label_column="species")
    assert [listing.class_names[label] for label in listing.labels] == ["dog", "cat"]
    assert listing.splits == ("test", "train")


def test_without_a_label_in_the_table_folders_are_classes(arrange: Arrange) -> None:
    table = b"file_name,age\ncats/a.png,3\ndogs/a.png,4\n"
    listing = arrange(tree(["cats/a.png", "dogs/a.png"]) | {"metadata.csv": table})
    assert listing.class_names == ("cats", "dogs")
    assert listing.factors.tolist() == [[3], [4]]


@pytest.mark.parametrize(
    ("table", "expected", "received"),
    [
        ("file,label\na.png,1\n", "have a column file_name", "the columns file, label"),
        ("file_name,label\na.png,1\n", "have a row for every picture", "none for b.png"),
        ("file_name,label\na.png,1\nb.png,2\nc.png,3\n", "name pictures that are there", "c.png"),
        ("file_name,label\na.png,1\nb.png,2\na.png,3\n", "name every picture once", "a.png"),
        ("file_name,label\na.png,1\nb.png,\n", "have a label for every picture", "none for b.png"),
        ('file_name,label\na.png,"1\n', "be a table in UTF-8", ""),
        ("", "be a table in UTF-8", ""),
        ("file_name\na.png,1\nb.png,2\n", "be a table in UTF-8", "rows with more fields than"),
        ("file_name,label\na.png,1\n,2\n", "have a file_name in every row", "none in 1 rows"),
        ("file_name,label\na.png,\udcff\n", "be a table in UTF-8", ""),
    ],
)
def test_wrong_tables_are_refused(
    arrange: Arrange, table: str, expected: str, received: str
) -> None:
    with pytest.raises(InputError) as caught:
        arrange(tree(PAIR) | {"metadata.csv": table.encode(errors="surrogateescape")})
    assert caught.value.expected.endswith(f"own/metadata.csv must {expected}")
    assert received in caught.value.received
    assert "\n" not in str(caught.value)


def test_jsonl_is_refused_like_csv(arrange: Arrange) -> None:
    for number, (content, received) in enumerate(
        [
            (b"{", ""),
            (rows({"file_name": "a.png", "label": [1]}, {"file_name": "b.png", "label": 1}), "[1]"),
        ]
    ):
        with pytest.raises(InputError) as caught:
            arrange(tree(PAIR) | {"metadata.jsonl": content}, WRITERS[number])
        assert received in ("", caught.value.received)


def test_unknown_label_column_is_refused(arrange: Arrange) -> None:
    table = b"file_name,species\na.png,1\nb.png,2\n"
    with pytest.raises(InputError) as caught:
        arrange(tree(PAIR) | {"metadata.csv": table}, label_column="specie")
    assert caught.value.expected.endswith("must be one of species (nearest: 'species')")
    assert caught.value.where == "See params.yaml: data.label_column"


def test_words_in_all_names_are_splits(arrange: Arrange) -> None:
    listing = arrange(tree(each("x/seg_train/seg_train/cat", "x/seg_test/seg_test/cat")))
    assert Counter(listing.splits) == {"train": 2, "test": 2}


@pytest.mark.parametrize(
    ("folders", "splits", "class_names"),
    [
        (("train_images", "test_images"), "train test", ""),
        (("train2017", "val2017"), "train validation", ""),
        (("train_images", "test_images", "dogs"), "train", "dogs test_images train_images"),
        (("train_station", "test_tube", "train_test"), "train", "test_tube train_station"),
        (("10", "9", "1"), "train", "1 9 10"),
        (("e\u0301te\u0301", "\u00e9t\u00e9", "a"), "train", "a \u00e9t\u00e9"),
    ],
)
def test_names_of_folders(
    arrange: Arrange, folders: tuple[str, ...], splits: str, class_names: str
) -> None:
    listing = arrange(tree(each(*folders)))
    assert set(listing.splits) == set(splits.split())
    assert " ".join(name for name in listing.class_names if name != "train_test") == class_names


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("caf\u00e9.png", "file_name, label\ncafe\u0301.png, x\nb/c.png,y \n,\n"),
        ("cafe\u0301.png", "file_name,label\r\ncaf\u00e9.png,x\r\nb\\c.png,y\r\n"),
    ],
)
def test_a_table_names_pictures_in_the_letters_of_other_systems(
    arrange: Arrange, name: str, table: str
) -> None:
    listing = arrange(tree([name, "b/c.png"]) | {"metadata.csv": table.encode()})
    assert listing.class_names == ("x", "y")
    labels = zip(listing.pictures, listing.labels, strict=True)
    assert {file.parts[-1]: label for file, label in labels} == {name: 0, "c.png": 1}
