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


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "new", 12)
    found = checkpoints.read_newest(tmp_path / "new")
    assert found is not None
    assert (found.step, found.record) == (12, RECORD)
    for written, read in zip([*VARIABLES, np.array(12)], found.variables, strict=True):
        np.testing.assert_array_equal(read, written)
        assert (read.dtype, read.shape) == (written.dtype, written.shape)


def test_many_variables_keep_their_order(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, Checkpoint(1, [np.array(index) for index in range(1200)], {}))
    found = checkpoints.read_newest(tmp_path)
    assert found is not None
    assert [int(value) for value in found.variables] == list(range(1200))


@pytest.mark.parametrize("folder", [".", "none"])
def test_none_where_none_is(tmp_path: Path, folder: str) -> None:
    assert checkpoints.read_newest(tmp_path / folder) is None


def test_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    write(tmp_path, 2, 9, 10, 1000)
    assert [path.name.split("-")[1] for path in sorted(tmp_path.iterdir())] == [
        "000000010",
        "000001000",
    ]
    found = checkpoints.read_newest(tmp_path)
    assert found is not None
    assert found.step == 1000


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"bit": content, "cut": content[:-10], "empty": b""}[how])


@pytest.mark.parametrize("how", ["bit", "cut", "empty"])
def test_damaged_one_is_named_and_passed_over(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 5, 6)
    newest = max(tmp_path.iterdir())
    damage(newest, how)
    found = checkpoints.read_newest(tmp_path)
    assert found is not None
    assert (found.step, int(found.variables[-1])) == (5, 5)
    assert (
        f"warning: {newest.name} is damaged; going on from the checkpoint before it"
        in capsys.readouterr().out
    )


def test_file_that_was_not_finished_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, 5)
    (tmp_path / "writing-123").write_bytes(b"half")
    found = checkpoints.read_newest(tmp_path)
    assert found is not None
    assert found.step == 5


def test_what_a_killed_process_left_is_gone_after_the_next(tmp_path: Path) -> None:
    (tmp_path / "writing").write_bytes(b"half")
    write(tmp_path, 5)
    assert [path.name.split("-")[1] for path in tmp_path.iterdir()] == ["000000005"]


def test_two_whole_ones_are_kept_beside_damaged_ones(tmp_path: Path) -> None:
    write(tmp_path, 5, 6)
    damage(max(tmp_path.iterdir()), "cut")
    checkpoints.write(tmp_path, Checkpoint(6, VARIABLES, RECORD | {"seconds": 1.5}))
    assert [path.name.split("-")[1] for path in sorted(tmp_path.iterdir())] == [
        "000000005",
        "000000006",
    ]
    damage(max(tmp_path.iterdir()), "cut")
    found = checkpoints.read_newest(tmp_path)
    assert found is not None
    assert found.step == 5


def test_full_disk_costs_no_finished_one(tmp_path: Path) -> None:
    write(tmp_path, 5, 6)
    before = sorted(tmp_path.iterdir())
    (tmp_path / "writing").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path, 7)
    assert Path(caught.value.filename).name.startswith("step-000000007-")
    assert sorted(tmp_path.iterdir()) == before
    write(tmp_path, 7)
    assert [path.name.split("-")[1] for path in sorted(tmp_path.iterdir())] == [
        "000000006",
        "000000007",
    ]


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
        assert str(caught.value) == (
            f"{path.name} must hold {expected}, as the model of this training does. Received: {received}. "
            f"It is of another architecture: delete {tmp_path / 'key'} to train from the start."
        )


def test_types_of_keras_and_tensorflow_are_those_of_numpy(tmp_path: Path) -> None:
    write(tmp_path, 5)
    like = [
        *(keras.Variable(value, dtype=value.dtype.name) for value in VARIABLES),
        tf.Variable(np.array(5)),
    ]
    assert checkpoints.read_newest(tmp_path, like) is not None


def test_nothing_is_a_pickle(tmp_path: Path) -> None:
    write(tmp_path, 5)
    with np.load(next(tmp_path.iterdir()), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)
        assert json.loads(arrays["record"].tobytes()) == RECORD
    checkpoints.write(tmp_path / "other", Checkpoint(1, [np.array([{}])], {}))
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoints.read_newest(tmp_path / "other")
