"""One training at a time, none twice, and an end of its run that is made up for."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tracking_workspace as lab
from filelock import FileLock, Timeout
from fixtures_models import contents, tiny_job, write_dataset

from genlab import tracking
from genlab.runtime.errors import InputError
from genlab.tracking.sending import Sender
from genlab.training import Job
from genlab.workflows import recorded_training

HOLDER = """
    import sys
    from pathlib import Path
    from filelock import FileLock

    folder, note = Path(sys.argv[1]), sys.argv[2]
    with FileLock(folder / "lock"):
        if note:
            (folder / "holder.json").write_text(note)
        print("held", flush=True)
        assert sys.stdin.readline() == "go\\n"  # empty when the test's process is gone
        (folder / "result").mkdir()
        (folder / "result" / "settings.json").write_text("{}")
        (folder / "recorded.json").write_text("{}")
"""
NOTE = json.dumps(
    {"process": 7, "host": "far", "since": "2026-01-02 03:04:05", "command": "genlab train vae"}
)
NOTES = {
    NOTE: "process 7 on host far has been at this very training ({}) since 2026-01-02 03:04:05: "
    "genlab train vae",
    "": "another process is at this very training ({})",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture
def job(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A training in a root of its own."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tiny_job(data, "vae", network="dense")


def run(job: Job, root: Path, wait: bool = True) -> dict[str, bytes]:
    """Runs a training; returns the contents of its folder."""
    recorded_training.run(job, root / "models" / "vae", root / "timings", wait)
    return contents(root / "models" / "vae")


@contextmanager
def held(job: Job, note: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a process that holds a training's lock, and finishes the training when told to go."""
    job.folder.mkdir(parents=True)
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(job.folder), note]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_finished_training_is_not_repeated(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (job.folder / "result").mkdir(parents=True)
    (job.folder / "result" / "settings.json").write_text("{}")
    (job.folder / "recorded.json").write_text('{"train_seconds": 7}')
    (tmp_path / "models" / "vae").mkdir(parents=True)
    (tmp_path / "models" / "vae" / "settings.json").touch()
    (tmp_path / "models" / "vae" / "history.csv").touch()
    assert run(job, tmp_path) == {"settings.json": b"{}"}
    assert f"finished ({job.train_key}); using its result" in capsys.readouterr().out
    assert contents(tmp_path / "timings") == {"vae.json": b'{"train_seconds": 7}'}


@pytest.mark.parametrize("note", NOTES)
def test_second_of_two_equal_trainings_waits_and_uses_the_result(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    lines: list[str] = []
    with held(job, note) as holder:

        def write(line: str) -> None:
            lines.append(line)
            if "waiting" in line:
                print("go", file=holder.stdin, flush=True)

        monkeypatch.setattr(recorded_training.tqdm, "write", write)
        assert run(job, tmp_path) == {"settings.json": b"{}"}
    assert lines[0] == f"vae: {NOTES[note].format(job.train_key)}; waiting for its result"


def test_second_of_two_equal_trainings_is_refused_if_it_may_not_wait(
    job: Job, tmp_path: Path
) -> None:
    with held(job, NOTE), pytest.raises(InputError) as error:
        run(job, tmp_path, wait=False)
    assert error.value.received == NOTES[NOTE].format(job.train_key)
    assert "--no-wait" in error.value.where


def test_lock_names_its_holder_and_is_released(job: Job) -> None:
    job.folder.mkdir(parents=True)
    with recorded_training._lock(job, wait=False):
        with pytest.raises(Timeout):
            FileLock(job.folder / "lock").acquire(timeout=0)
        note = json.loads((job.folder / "holder.json").read_text())
    assert (note["process"], note["host"]) == (os.getpid(), socket.gethostname())
    assert abs(time.mktime(time.strptime(note["since"], "%Y-%m-%d %H:%M:%S")) - time.time()) < 60
    FileLock(job.folder / "lock").acquire(timeout=0).lock.release()


@pytest.mark.parametrize("is_journaled", [False, True])
def test_lost_end_of_a_run_is_made_up_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_journaled: bool
) -> None:
    """The end is lost before it is journaled, or after that, before it is sent."""
    lab.enter(monkeypatch, tmp_path)
    job = tiny_job(data, "vae", network="dense", steps=2)
    send = Sender.send

    def lose(sender: Sender) -> int:
        if sender.journal.status:
            raise KeyboardInterrupt
        return send(sender)

    with monkeypatch.context() as patch:
        if is_journaled:
            patch.setattr(Sender, "send", lose)
        else:
            patch.setattr(tracking.Run, "end", lambda *values: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run(job, tmp_path)
    assert lab.statuses() == ["RUNNING"]
    for _ in range(2):
        assert "settings.json" in run(job, tmp_path)
        assert lab.statuses() == ["FINISHED"]
    (found,) = lab.runs()
    assert len(lab.points(found, "time/train_seconds")) == 1
    assert len(found.outputs.model_outputs) == 1
