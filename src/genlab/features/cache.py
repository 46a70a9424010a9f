"""Features once per set of images: kept by the content of the images, the extractor's weights and what computes them.

An entry is an npz named by the SHA-256 of these, written as a whole. A damaged one is computed anew; above `MAX_BYTES`
those that were not used for longest are removed. A folder that cannot be written costs time, not the result.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from filelock import FileLock

from genlab.features.extractor import Extracted, Extractor
from genlab.imaging import arrays as pictures
from genlab.runtime.files import DAMAGED, replacing
from genlab.settings import code

MAX_BYTES = 2 << 30
"""Of all entries of a folder together."""


def extract(extractor: Extractor, images: np.ndarray, folder: Path | None) -> Extracted:
    """Returns what `extractor.extract(images)` returns, from `folder` where it is there.

    Args:
        extractor: Its settings hold `weights_sha256`.
        images: uint8 NHWC, in memory or memory-mapped.
        folder: Of the entries; None: nothing is kept.
    """
    if folder is None:
        return extractor.extract(images)
    path = folder / f"{_key(extractor, images)}.npz"
    found = _read(path, len(images))
    if found is None:
        found = extractor.extract(images)
        _keep(path, found)
    return found


def _key(extractor: Extractor, images: np.ndarray) -> str:
    facts = [
        tf.__version__,
        code.digest("features"),
        extractor.settings["weights_sha256"],
        extractor.num_classes,
        pictures.digest(images),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path, num_images: int) -> Extracted | None:
    """Returns an entry, or None where there is none or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = Extracted(arrays["features"], arrays["classes"])
        path.touch()  # the last that is removed
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        print(f"features: {path} is computed anew: {' '.join(str(error).split())}", file=sys.stderr)
        return None
    return found if len(found.features) == len(found.classes) == num_images else None


def _keep(path: Path, found: Extracted) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / ".lock"):
            with replacing(path) as building:
                pictures.write_npz(building, found._asdict())
            _remove_oldest(path)
    except OSError as error:
        print(
            f"features: {path.parent} cannot keep them: {error.strerror or error}", file=sys.stderr
        )


def _remove_oldest(newest: Path) -> None:
    """Removes entries until all together take at most `MAX_BYTES`; the newest stays."""
    stats = {path: path.stat() for path in newest.parent.glob("*.npz")}
    total = sum(stat.st_size for stat in stats.values())
    for path in sorted(stats.keys() - {newest}, key=lambda path: stats[path].st_mtime_ns):
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= stats[path].st_size
