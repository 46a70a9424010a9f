"""Arrays: the user's own images in an .npz or .npy, as NumPy, Keras and MedMNIST write them.

Arrays are known by the words in their names: `images` and `labels`, `x_train` and `y_test`,
`val_images`. Without a test split a hash of each image chooses it. `class_names` may name the
labels. Images are uint8 or floats in [0, 1], (n, height, width[, 1 or 3]), and stay as they are.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from genlab.data import own_splits
from genlab.data.declaration import Profile, RawSplits
from genlab.data.picture_files import WHERE, located
from genlab.imaging import array_files
from genlab.imaging.array_files import AS_USUAL, UnreadableError
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.settings.params import Data

FILES = None  # they are the user's
LICENCE = "the user's own"
CITATION = "the user's own images"
PROFILE = Profile()

CLASS_NAMES = "class_names"
KINDS = {"images": ("images", "image", "x"), "labels": ("labels", "label", "y")}
"""Words in the name of an array, by what it holds."""
HOLDS = (
    "arrays `images` and perhaps `labels`, or x_train, y_train, x_test, y_test: images uint8 or "
    "float in [0, 1], of the shape (n, height, width[, 1 or 3])"
)


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the file `data.directory`; a hash of each image chooses a test split if it has none.

    Raises:
        InputError: There is no such file, it is damaged, or its arrays are no images.
    """
    path = located(data.directory)
    if path.suffix.lower() not in array_files.ENDINGS or not path.is_file():
        reason = "no .npz or .npy" if path.exists() else "no such file"
        raise InputError("data.directory must be an .npz or .npy", f"{path}, {reason}", WHERE)
    try:
        with array_files.opened(path) as opened:
            arrays = dict(opened)
        parts = _parts(arrays)
    except UnreadableError as fault:
        raise InputError(f"{path} must hold {HOLDS}", str(fault), WHERE) from None
    class_names = [str(name) for name in np.ravel(arrays.get(CLASS_NAMES, ()))]
    return own_splits.assemble(parts, class_names, data.test_share, seed, WHERE)


def _parts(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Returns by split its images and labels; says which arrays are neither."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    left_out = []
    for (kind, split), names in _by_meaning(arrays).items():
        if kind:
            name, *others = names
            parts.setdefault(split, {})[kind] = arrays[name]
            left_out += others
        else:
            left_out += [name for name in names if name != CLASS_NAMES]
    if not parts and len(left_out) == 1:
        parts, left_out = {"train": {"images": arrays[left_out[0]]}}, []
    if not parts or not all("images" in fields for fields in parts.values()):
        raise UnreadableError(f"the arrays {', '.join(arrays)}" if arrays else "no arrays")
    if left_out:
        progress.note(f"fetch: arrays left out: {', '.join(sorted(left_out))}")
    for fields in parts.values():
        fields["images"] = array_files.to_images(fields["images"], AS_USUAL).images
    return parts


def _by_meaning(names: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Returns the names of the arrays by kind and split, that with the fewest other words first.

    Raises:
        UnreadableError: It is no more one than another: `images` and `Images`.
    """
    meanings: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names, key=_num_other_words):
        meanings.setdefault(_meaning(name), []).append(name)
    for (kind, _), (first, *others) in meanings.items():
        if kind and others and _num_other_words(first) == _num_other_words(others[0]):
            raise UnreadableError(f"the arrays {first} and {others[0]}, which mean the same")
    return meanings


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.lower()) if word]


def _num_other_words(name: str) -> int:
    known = {*own_splits.SPLIT_WORDS, *KINDS["images"], *KINDS["labels"]}
    return sum(word not in known for word in _words(name))


def _meaning(name: str) -> tuple[str, str]:
    """Returns what an array holds, `images`, `labels` or nothing, and of which split."""
    words = _words(name)
    kinds = (kind for kind, known in KINDS.items() if set(words) & set(known))
    splits = (own_splits.SPLIT_WORDS[word] for word in words if word in own_splits.SPLIT_WORDS)
    return next(kinds, ""), next(splits, "train")
