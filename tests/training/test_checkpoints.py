"""Checkpoints: whole, verified, few."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from genlab.runtime.errors import InputError
from genlab.training import checkpoints
from genlab.training.checkpoints import Checkpoint

VARIABLES: list[np.ndarray] = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array(7, np.int64),
    np.array(True),
    np.zeros((0, 2)),
]
RECORD = {
    "rows": [{"step": 3, "train/loss": 0.1 + 0.2, "small": 1e-45}],
    "histograms": {"edges": [-8.0, 8.0]},
}


def write(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoints.write(folder, Checkpoint(step, [*VARIABLES, np.array(step)], RECORD))


def read(folder: Path) -> Checkpoint:
    checkpoint = checkpoints.read_newest(folder)
    assert checkpoint is not None
    return checkpoint


def steps(folder: Path) -> list[int]:
    return [int(path.name.split("-")[1]) for path in sorted(folder.iterdir())]


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"bit": content, "cut": content[:-10], "empty": b""}[how])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert checkpoints.read_newest(tmp_path / "new") is None
    write(tmp_path / "new", 12)
    checkpoint = read(tmp_path / "new")
    assert (checkpoint.step, checkpoint.record) == (12, RECORD)
    for written, variable in zip([*VARIABLES, np.array(12)], checkpoint.variables, strict=True):
        np.testing.assert_array_equal(variable, written)
        assert (variable.dtype, variable.shape) == (written.dtype, written.shape)


def test_many_variables_keep_their_order(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, Checkpoint(1, [np.array(index) for index in range(1200)], {}))
    assert [int(value) for value in read(tmp_path).variables] == list(range(1200))


def test_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    (tmp_path / "writing").write_bytes(b"half")  # left by a killed process
    write(tmp_path, 2, 9, 10, 1000)
    assert steps(tmp_path) == [10, 1000]
    (tmp_path / "writing-123").write_bytes(b"half")
    assert read(tmp_path).step == 1000


@pytest.mark.parametrize("how", ["bit", "cut", "empty"])
def test_damaged_one_is_named_and_passed_over(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 5, 6)
    newest = max(tmp_path.iterdir())
    damage(newest, how)
    checkpoint = read(tmp_path)
    assert (checkpoint.step, int(checkpoint.variables[-1])) == (5, 5)
    warning = f"warning: {newest.name} is damaged; going on from the checkpoint before it"
    assert warning in capsys.readouterr().out


def test_two_whole_ones_are_kept_beside_damaged_ones(tmp_path: Path) -> None:
    write(tmp_path, 5, 6)
    damage(max(tmp_path.iterdir()), "cut")
    checkpoints.write(tmp_path, Checkpoint(6, VARIABLES, RECORD | {"seconds": 1.5}))
    assert steps(tmp_path) == [5, 6]
    damage(max(tmp_path.iterdir()), "cut")
    assert read(tmp_path).step == 5


def test_full_disk_costs_no_finished_one(tmp_path: Path) -> None:
    write(tmp_path, 5, 6)
    before = sorted(tmp_path.iterdir())
    (tmp_path / "writing").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path, 7)
    assert Path(caught.value.filename).name.startswith("step-000000007-")
    assert sorted(tmp_path.iterdir()) == before
    write(tmp_path, 7)
    assert steps(tmp_path) == [6, 7]


def test_one_of_another_architecture_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "key" / "checkpoints"
    write(folder, 5)
    (path,) = folder.iterdir()
    like = [*VARIABLES, np.array(5)]
    assert checkpoints.read_newest(folder, like) is not None
    for expected, other, received in (
        ("4 variables", VARIABLES, "5"),
        ("float32 (3, 2) as variable 0", [VARIABLES[0].T, *like[1:]], "float32 (2, 3)"),
        ("int32 () as variable 1", [like[0], np.array(7, np.int32), *like[2:]], "int64 ()"),
    ):
        with pytest.raises(InputError) as caught:
            checkpoints.read_newest(folder, other)
        assert caught.value.expected.startswith(f"{path.name} must hold {expected}, ")
        assert caught.value.received == received
        assert f"delete {tmp_path / 'key'} to train from the start" in caught.value.where


def test_types_of_keras_and_tensorflow_are_those_of_numpy(tmp_path: Path) -> None:
    write(tmp_path, 5)
    like = [keras.Variable(value, dtype=value.dtype.name) for value in VARIABLES]
    assert checkpoints.read_newest(tmp_path, [*like, tf.Variable(np.array(5))]) is not None


def test_nothing_is_a_pickle(tmp_path: Path) -> None:
    write(tmp_path, 5)
    with np.load(next(tmp_path.iterdir()), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)
        assert json.loads(arrays["record"].tobytes()) == RECORD
    checkpoints.write(tmp_path / "other", Checkpoint(1, [np.array([{}])], {}))
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoints.read_newest(tmp_path / "other")
