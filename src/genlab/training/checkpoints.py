"""Checkpoints: all that a training needs to go on, written atomically and verified when read. No pickle.

One file each, `step-<step>-<start of its SHA-256>.npz`: renamed into place when it is complete and on the disk.
"""

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

KEPT = 2
DIGEST_LENGTH = 16


class Checkpoint(NamedTuple):
    """The state after `step` steps: variables in their fixed order, and what was recorded so far."""

    step: int
    variables: list[np.ndarray]
    record: dict[str, Any]


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint and removes all but the newest two. `record` must be JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    arrays = {f"variable_{index:04d}": value for index, value in enumerate(checkpoint.variables)}
    record = np.frombuffer(json.dumps(checkpoint.record).encode(), np.uint8)
    np.savez(buffer, record=record, **arrays)  # type: ignore[arg-type]
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:DIGEST_LENGTH]
    temporary = folder / f"writing-{os.getpid()}"
    with temporary.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / f"step-{checkpoint.step:09d}-{digest}.npz")
    _sync_folder(folder)
    for old in _paths(folder)[:-KEPT]:
        old.unlink()


def read_newest(folder: Path) -> Checkpoint | None:
    """Returns the newest whole checkpoint; a damaged one is named in a warning and passed over. None where none is."""
    for path in reversed(_paths(folder)):
        content = path.read_bytes()
        _, step, digest = path.stem.split("-")
        if hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH] != digest:
            tqdm.write(f"warning: {path.name} is damaged; going on from the checkpoint before it")
            continue
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            record = json.loads(arrays["record"].tobytes())
            names = sorted(name for name in arrays.files if name.startswith("variable_"))
            return Checkpoint(int(step), [arrays[name] for name in names], record)
    return None


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.npz"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
