"""Checkpoints: everything that a training needs to continue, written atomically and verified.

Each is one file, `step-<step>-<start of its SHA-256>.npz`, without pickles. It gets this name when
it is complete and on the disk.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from genlab.runtime.errors import InputError
from genlab.runtime.files import naming, sync

KEPT = 2
DIGEST_LENGTH = 16


class Checkpoint(NamedTuple):
    """The state after `step` steps: variables in a fixed order, and the record so far as JSON."""

    step: int
    variables: list[np.ndarray]
    record: dict[str, Any]


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint and removes all but the newest two.

    If it fails, for example on a full disk, the earlier checkpoints are still there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    arrays = {f"variable_{index:04d}": value for index, value in enumerate(checkpoint.variables)}
    record = np.frombuffer(json.dumps(checkpoint.record).encode(), np.uint8)
    np.savez(buffer, record=record, **arrays)  # type: ignore[arg-type]
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:DIGEST_LENGTH]
    path = folder / f"step-{checkpoint.step:09d}-{digest}.npz"
    temporary = folder / "writing"
    others = [other for other in _paths(folder) if other != path]
    try:
        with naming(path):
            temporary.write_bytes(buffer.getbuffer())  # over what a killed process may have left
            sync(temporary)
            temporary.replace(path)
            sync(folder)
    finally:
        temporary.unlink(missing_ok=True)
    # A later checkpoint was damaged, or this training would not be at an earlier step.
    earlier = [other for other in others if _step(other) < checkpoint.step]
    for other in set(others) - set(earlier[1 - KEPT :]):
        other.unlink()


def drop_earlier(folder: Path) -> None:
    """Removes all checkpoints but the newest."""
    for path in _paths(folder)[:-1]:
        path.unlink()


def read_newest(folder: Path, like: Sequence[Any] | None = None) -> Checkpoint | None:
    """Returns the newest intact checkpoint, or None. It warns of each damaged one that it skips.

    Args:
        folder: The folder that `write` writes to.
        like: Objects with the shapes and types of its variables, in order.

    Raises:
        InputError: The variables have other shapes or types: the architecture is another one.
    """
    for path in reversed(_paths(folder)):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH] != path.stem.rpartition("-")[2]:
            tqdm.write(f"warning: {path.name} is damaged; going on from the checkpoint before it")
            continue
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            record = json.loads(arrays["record"].tobytes())
            names = sorted(name for name in arrays.files if name.startswith("variable_"))
            checkpoint = Checkpoint(_step(path), [arrays[name] for name in names], record)
        if like is not None:
            _check(path, checkpoint.variables, like)
        return checkpoint
    return None


def _check(path: Path, variables: Sequence[Any], like: Sequence[Any]) -> None:
    expected = [_describe(value) for value in like]
    received = [_describe(value) for value in variables]
    if expected == received:
        return
    content, actual = f"{len(expected)} variables", f"{len(received)}"
    if len(expected) == len(received):
        index = next(index for index in range(len(expected)) if expected[index] != received[index])
        content, actual = f"{expected[index]} as variable {index}", received[index]
    raise InputError(
        f"{path.name} must hold {content}, as the model of this training does",
        actual,
        f"It is of another architecture: delete {path.parents[1]} to train from the start",
    )


def _describe(value: Any) -> str:
    """Returns type and shape, `float32 (128, 10)`, of an array, a variable or a tensor."""
    return f"{getattr(value.dtype, 'name', value.dtype)} {tuple(value.shape)}"


def _paths(folder: Path) -> list[Path]:
    """Returns all checkpoints, oldest first."""
    return sorted(folder.glob("step-*-*.npz"))


def _step(path: Path) -> int:
    return int(path.stem.split("-")[1])
