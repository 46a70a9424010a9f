"""The table beside pictures: `metadata.csv` or `metadata.jsonl`, as Hugging Face's imagefolder.

The column `file_name` is a path below the folder of the table. One column may be the label. Each
other column of numbers, or of few different words, is a factor; a word counts as its place in the
sorted list of them.
"""

import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genlab.data.members import Parts
from genlab.data.picture_files import Files, PictureFile, first_of
from genlab.runtime.errors import InputError
from genlab.settings import plugins

if TYPE_CHECKING:
    import pandas as pd

FILE, LABEL = "file_name", "label"
MAX_WORDS = 100
WHERE_LABEL = "params.yaml: data.label_column"


class Attributes(NamedTuple):
    """What the table says of some pictures.

    Attributes:
        labels: The names of their classes, or None.
        names: Of the factors.
        factors: float32 (n, len(names)).
        left_out: The other columns, and why they are no factors.
    """

    labels: list[str] | None
    names: tuple[str, ...]
    factors: np.ndarray
    left_out: tuple[str, ...]


def read(
    files: Files, pictures: Sequence[PictureFile], label_column: str | None
) -> Attributes | None:
    """Returns what the tables say of these pictures, in their order; None without a table.

    Args:
        files: All files of the folder or the archive.
        pictures: Those of interest.
        label_column: The label's; None: `label`, if there is one.

    Raises:
        InputError: A table is damaged, has no `file_name`, names a picture twice or one that is not
            there, or lacks one that is; or a picture has no label.
    """
    import pandas as pd

    if not files.tables:
        return None
    name = first_of(file.name for file in files.tables)
    label = label_column or LABEL
    parts = [_read_one(file, label) for file in files.tables]
    rows = _rows([row for _, names in parts for row in names], files, name)
    missing = ["/".join(picture.parts) for picture in pictures if picture.parts not in rows]
    if missing:
        raise _wrong(name, "have a row for every picture", f"none for {first_of(missing)}")
    table = pd.concat([table for table, _ in parts], ignore_index=True)
    table = table.iloc[[rows[picture.parts] for picture in pictures]]
    if label_column:
        plugins.check_among(label_column, table.columns, f"column of {name}", WHERE_LABEL)
    labels = _labels(table.pop(label), pictures, name) if label in table else None
    with np.errstate(over="ignore"):  # too large for float32: `_factor` says so
        columns = {column: _factor(table[column]) for column in table}
    factors = {column: values for column, values in columns.items() if not isinstance(values, str)}
    left_out = [f"{column} ({why})" for column, why in columns.items() if isinstance(why, str)]
    values = np.array([*factors.values()], np.float32).reshape(len(factors), len(table)).T
    return Attributes(labels, tuple(factors), values, tuple(left_out))


def in_order(labels: Sequence[str]) -> list[str]:
    """Returns the names of the classes in order: by size if all are whole numbers."""
    names = sorted(set(labels))
    return sorted(names, key=int) if all(map(str.isdecimal, names)) else names


def _read_one(file: PictureFile, label: str) -> tuple["pd.DataFrame", list[Parts]]:
    """Returns a table, and the parts of the picture of each row."""
    import pandas as pd

    texts: Any = {FILE: str, label: str}  # else the class 007 is 7
    try:
        if file.parts[-1].lower().endswith(".csv"):
            table = _read_csv(file, texts)
        else:
            table = pd.read_json(file.open(), lines=True, dtype=False)
    except ValueError as error:
        raise _wrong(file.name, "be a table in UTF-8", " ".join(str(error).split())) from None
    if FILE not in table:
        columns = first_of(map(str, table.columns), 10) or "none"
        raise _wrong(file.name, f"have a column {FILE}", f"the columns {columns}")
    table = table.dropna(how="all")  # a spreadsheet's rows of commas alone
    names = table.pop(FILE).fillna("").map(str)
    if (names == "").any():
        number = int((names == "").sum())
        raise _wrong(file.name, f"have a {FILE} in every row", f"none in {number} rows")
    return table, [(*file.parts[:-1], *PurePosixPath(name).parts) for name in names]


def _read_csv(file: PictureFile, texts: Any) -> "pd.DataFrame":
    """Returns a table; raises a ValueError where a row has more fields than the header."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                file.open(),
                dtype=texts,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8-sig",
                index_col=False,
                skipinitialspace=True,
            )
        except pd.errors.ParserWarning:
            raise ValueError("rows with more fields than the header") from None


def _form(parts: Parts) -> Parts:
    """Returns a path as it is compared: a Mac writes an accent as a letter of its own."""
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


def _rows(places: list[Parts], files: Files, name: str) -> dict[Parts, int]:
    """Returns the row of each picture that a table names."""
    places = _as_on_the_disk(places, [picture.parts for picture in files.pictures])
    rows = {parts: row for row, parts in enumerate(places)}
    unknown = rows.keys() - {picture.parts for picture in files.pictures}
    if unknown:
        raise _wrong(name, "name pictures that are there", first_of(sorted(map("/".join, unknown))))
    if len(rows) < len(places):
        twice = {parts for row, parts in enumerate(places) if rows[parts] != row}
        raise _wrong(name, "name every picture once", first_of(sorted(map("/".join, twice))))
    return rows


def _as_on_the_disk(places: list[Parts], pictures: list[Parts]) -> list[Parts]:
    """Returns the places in the letters of the pictures; Windows writes them with backslashes."""
    known = set(pictures)
    forms = {_form(parts): parts for parts in pictures}

    def found(parts: Parts) -> Parts:
        if parts in known:
            return parts
        slashed = tuple(piece for part in parts for piece in part.split("\\"))
        return forms.get(_form(parts)) or forms.get(_form(slashed)) or parts

    return [found(parts) for parts in places]


def _labels(column: "pd.Series", pictures: Sequence[PictureFile], name: str) -> list[str]:
    empty = [
        "/".join(picture.parts) for picture, no in zip(pictures, column.isna(), strict=True) if no
    ]
    if empty:
        raise _wrong(name, f"have a {column.name} for every picture", f"none for {first_of(empty)}")
    others = [value for value in column if not isinstance(value, str | int | float | np.generic)]
    if others:
        raise _wrong(name, f"have words or numbers as {column.name}", repr(others[0]))
    return [str(value).strip() for value in column]


def _factor(column: "pd.Series") -> np.ndarray | str:
    """Returns a column's values as numbers, or why they are none."""
    if column.isna().any():
        return f"nothing in {column.isna().sum()} rows"
    if column.dtype.kind in "biuf":
        values = column.to_numpy(np.float32)
        return values if np.isfinite(values).all() else "numbers that are not finite"
    words = set(column) if column.map(type).eq(str).all() else set()
    if not 0 < len(words) <= min(MAX_WORDS, max(2, len(column) // 2)):  # captions are none
        return f"{len(words)} different words" if words else "neither numbers nor words"
    codes = {word: code for code, word in enumerate(sorted(words))}
    return column.map(codes).to_numpy(np.float32)


def _wrong(name: str, must: str, received: str) -> InputError:
    return InputError(f"{name} must {must}", received, "Fix the table")
