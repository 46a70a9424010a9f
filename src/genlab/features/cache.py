"""Features once per set of images, kept by all that they depend on.

That is the images, the extractor's weights, the code and TensorFlow; their SHA-256 names an npz. A
damaged one is computed again. Above `MAX_BYTES` those that have not been used for longest are
removed. A folder that is not writable costs time, not the result.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from filelock import FileLock

from genlab.features.extractor import Extracted, Extractor
from genlab.imaging.arrays import digest, write_npz
from genlab.runtime.files import DAMAGED, replacing
from genlab.settings import code

MAX_BYTES = 2 << 30
"""Of all entries of a folder together."""


def extract(extractor: Extractor, images: np.ndarray, folder: Path | None) -> Extracted:
    """Returns `extractor.extract(images)`, from `folder` if it is there.

    Args:
        extractor: Its settings hold `weights_sha256`.
        images: uint8 NHWC, in memory or memory-mapped.
        folder: Of the entries; None: nothing is kept.
    """
    if folder is None:
        return extractor.extract(images)
    path = folder / f"{_key(extractor, images)}.npz"
    extracted = _read(path, len(images))
    if extracted is None:
        extracted = extractor.extract(images)
        _write(path, extracted)
    return extracted


def _key(extractor: Extractor, images: np.ndarray) -> str:
    facts = [
        tf.__version__,
        code.digest("features"),
        extractor.settings["weights_sha256"],
        extractor.num_classes,
        digest(images),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path, num_images: int) -> Extracted | None:
    """Returns an entry, or None if it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            extracted = Extracted(arrays["features"], arrays["classes"])
        path.touch()  # the last to be removed
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        print(f"features: {path} is damaged: {' '.join(str(error).split())}", file=sys.stderr)
        return None
    return extracted if all(len(array) == num_images for array in extracted) else None


def _write(path: Path, extracted: Extracted) -> None:
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            with replacing(path) as building:
                write_npz(building, extracted._asdict())
            _remove_oldest(path)
    except OSError as error:
        print(f"features: {folder} is not writable: {error.strerror or error}", file=sys.stderr)


def _remove_oldest(newest: Path) -> None:
    stats = {path: path.stat() for path in newest.parent.glob("*.npz") if path != newest}
    total = newest.stat().st_size + sum(stat.st_size for stat in stats.values())
    for path, stat in sorted(stats.items(), key=lambda item: item[1].st_mtime_ns):
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)
            total -= stat.st_size
