"""What the folders of pictures mean: the user's own split, classes; and the table beside them.

A folder that holds everything is looked through. Folders `train`, `val` and `test` (in the words of
`own_splits.SPLIT_WORDS`) are the user's own split, and so are `train_images` and `test2017` where
all folders have such names. The folders below are classes, unless a table
has labels.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genlab.data import picture_table
from genlab.data.members import Parts
from genlab.data.own_splits import SPLIT_WORDS, split_in
from genlab.data.picture_files import WHERE, Files, PictureFile, first_of, words
from genlab.imaging.arrays import SPLITS
from genlab.imaging.decoding import KINDS
from genlab.runtime.errors import InputError
from genlab.settings.params import Data


class Listing(NamedTuple):
    """Pictures and what is known of them, row by row.

    Attributes:
        pictures: The files, n of them.
        splits: `train`, `validation` or `test` of each; without a split of the user's own, `train`.
        class_names: In order; none where there are no classes.
        labels: int64 (n,); empty without classes.
        factor_names: In order.
        factors: float32 (n, len(factor_names)).
        words: All that in one line: classes, splits, factors, and what is left out.
    """

    pictures: tuple[PictureFile, ...]
    splits: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray
    factor_names: tuple[str, ...]
    factors: np.ndarray
    words: str


class _Item(NamedTuple):
    """A picture or, without a file, a folder; `rest` is what is left of its parts."""

    parts: Parts
    rest: Parts
    file: PictureFile | None
    split: str = ""

    @property
    def is_loose(self) -> bool:
        return self.file is not None and len(self.rest) == 1


def arrange(files: Files, data: Data) -> Listing:
    """Returns the pictures with their splits, classes and factors.

    Args:
        files: What the folder or the archive holds.
        data: `split_folders` and `label_column` are used.

    Raises:
        InputError: There is no picture for training, a folder of a class or a split has none,
            pictures are both in folders and beside them, or the table is wrong.
    """
    items = [_Item(folder, folder, None) for folder in sorted(files.folders)]
    items += [_Item(file.parts, file.parts, file) for file in files.pictures]
    items, passed = _look_through(items)
    left_out = dict(files.left_out)
    if data.split_folders == "auto":
        items, others = _own_splits(files, items)
        items, below = _look_through(items)
        passed += below
        if others:
            left_out["beside the folders of your split"] = others
    pictures = tuple(item.file for item in items if item.file)
    splits = [item.split for item in items if item.file]
    table = picture_table.read(files, pictures, data.label_column)
    if table and table.labels:
        names, class_names, by = table.labels, picture_table.in_order(table.labels), "table"
    else:
        names, by = _class_folders(files, items), "folder"
        class_names = picture_table.in_order(names)
    if len(class_names) == 1:
        passed, class_names = [*passed, *class_names], []
    numbers = {name: number for number, name in enumerate(class_names)}
    facts = (
        _classes_in_words(class_names, by, passed),
        _splits_in_words(splits),
        _factors_in_words(table) if table else "",
        words(left_out) or "nothing left out",
    )
    return Listing(
        pictures,
        tuple(split or "train" for split in splits),
        tuple(class_names),
        np.array([numbers[name] for name in names if numbers], np.int64),
        table.names if table else (),
        table.factors if table else np.empty((len(pictures), 0), np.float32),
        "; ".join(filter(None, facts)),
    )


def _classes_in_words(class_names: list[str], by: str, passed: list[str]) -> str:
    below = "/".join(passed)
    if not class_names:
        return f"no classes (all are in {below})" if passed else "no classes"
    by += f" in {below}" if passed else ""
    return f"{len(class_names)} classes by {by} ({first_of(class_names, 10)})"


def _splits_in_words(splits: Sequence[str]) -> str:
    own = [split for split in SPLITS if split in splits]
    others = [split for split in SPLITS[1:] if split not in splits]
    parts = [f"your own ({', '.join(own)})"] if own else []
    parts += [f"{' and '.join(others)} by a hash of each picture"] if others else []
    return f"split: {', '.join(parts)}"


def _factors_in_words(table: picture_table.Attributes) -> str:
    left_out = f", columns left out: {', '.join(table.left_out)}" if table.left_out else ""
    return f"{len(table.names)} factors ({', '.join(table.names) or 'none'}){left_out}"


def _look_through(items: list[_Item]) -> tuple[list[_Item], list[str]]:
    """Goes below a folder that holds everything, again and again; returns its names, too.

    In the user's own split each part may have one, all of one name or named like splits.
    """
    passed: list[str] = []
    while not any(item.is_loose for item in items):
        tops = {(item.split, item.rest[0]) for item in items}
        names = sorted({name for _, name in tops})
        one_each = len(tops) == len({split for split, _ in tops})
        if len(names) > 1 and not (one_each and all(map(split_in, names))):
            break
        items = [item._replace(rest=item.rest[1:]) for item in items if len(item.rest) > 1]
        passed += names if len(names) == 1 else []
    return items, passed


def _splits_of(folders: set[str]) -> dict[str, str]:
    """Returns the split of each folder, or ""; `train_images` is one where all names are so."""
    splits = {folder: SPLIT_WORDS.get(folder.lower(), "") for folder in folders}
    by_words = {folder: split_in(folder) for folder in folders}
    is_told = {"train"} < set(by_words.values()) and all(by_words.values())
    return by_words if is_told and not any(splits.values()) else splits


def _own_splits(files: Files, items: list[_Item]) -> tuple[list[_Item], list[Parts]]:
    """Returns the items of the user's own split, if there is one, and the pictures beside it."""
    tops = _splits_of({item.rest[0] for item in items if not item.is_loose})
    beside = [item.parts for item in items if item.file and not tops.get(item.rest[0])]
    splits = {split for split in tops.values() if split}
    if not splits or (beside and not {"train"} < splits):
        return items, []
    if "train" not in splits:
        raise InputError(
            f"{files.root} must hold a folder train beside {', '.join(sorted(tops))}",
            "none",
            f"{WHERE}, or set data.split_folders to none if these are classes",
        )
    items = [item._replace(split=tops.get(item.rest[0], "")) for item in items]
    items = [item for item in items if item.split]
    _check_folders(files, [item._replace(split="") for item in items])
    return [item._replace(rest=item.rest[1:]) for item in items if len(item.rest) > 1], beside


def _class_folders(files: Files, items: list[_Item]) -> list[str]:
    """Returns of each picture the folder that is its class; nothing where there are no folders."""
    pictures = [item for item in items if item.file]
    loose = ["/".join(item.parts) for item in pictures if item.is_loose]
    if len(loose) == len(pictures):
        return []
    if loose:
        raise InputError(
            f"{files.root} must hold all pictures in subfolders, one per class, or none",
            f"{loose[0]} and {len(loose) - 1} more beside the subfolders",
            WHERE,
        )
    _check_folders(files, items)
    return [unicodedata.normalize("NFC", item.rest[0]) for item in pictures]


def _check_folders(files: Files, items: list[_Item]) -> None:
    """Refuses folders of classes, or of splits, that have no pictures."""
    full = {(item.split, item.rest[0]) for item in items if item.file}
    for item in items:
        if len(item.rest) == 1 and not item.file and (item.split, item.rest[0]) not in full:
            here = {
                reason: inside
                for reason, places in files.left_out.items()
                if (inside := [place for place in places if place[: len(item.parts)] == item.parts])
            }
            raise InputError(
                f"{files.root.joinpath(*item.parts)} must hold pictures ({KINDS})",
                words(here) or "an empty folder",
                "Add pictures, or remove the folder",
            )
