"""A training that was interrupted, or really killed, goes on to the same bytes."""

import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from fixtures_models import Finished, Recorder, all_kinds, child_environment, contents, tiny_job

from genlab import training
from genlab.numerics import density
from genlab.training import checkpoints
from genlab.training import state as training_state

KINDS = all_kinds()
OFTEN = {"checkpoint_every_seconds": 1e-6}
EVERY_STEP = {"checkpoint_every_steps": 1}
STEPS = 12

pytestmark = pytest.mark.usefixtures("chapters", "state")


def interrupt(job: training.Job, step: int) -> list[Path]:
    """Trains up to the record of a step; returns the checkpoints, oldest first."""
    with pytest.raises(KeyboardInterrupt):
        training.fit(job, Recorder(stop_at=step))
    return sorted((job.folder / "checkpoints").iterdir())


VICTIM = """
    import sys, time
    from pathlib import Path
    from fixtures_models import Finished, Recorder, fixture_chapters, tiny_job
    from genlab import training

    class Blocked(Recorder):
        def log_metrics(self, metrics, step):
            if step == 9:
                print("blocked at step 9", flush=True)
                time.sleep(600)

    with fixture_chapters():
        often = {"checkpoint_every_seconds": 1e-6}
        training.fit(tiny_job(Path(sys.argv[1]), sys.argv[2], often), Blocked())
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_training_goes_on_to_the_same_bytes(
    finished: Finished, data: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(VICTIM), str(data), kind]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=child_environment(), **quiet) as victim:
        assert victim.stdout is not None
        lines = iter(victim.stdout.readline, b"")
        assert any(line.startswith(b"blocked at step 9") for line in lines), "it came so far"
        victim.send_signal(signal.SIGKILL)
    job = tiny_job(data, kind, OFTEN)
    assert len(list((job.folder / "checkpoints").iterdir())) == 2
    recorder = Recorder()
    summary = training.fit(job, recorder)
    assert f"{kind}: going on from step {summary.first_step} of 12" in capsys.readouterr().out
    assert 6 <= summary.first_step < 9
    assert sorted(recorder.metrics) == [9, 12]
    assert contents(job.folder / "result") == contents(finished(kind)[0])


@pytest.mark.slow
def test_growing_model_goes_on_from_every_step_to_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from the end of its first phase, step 3, and between two rows of the history."""
    job = tiny_job(data, "growing", EVERY_STEP, steps=3, grown_steps=2)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "whole"))
    training.fit(job, Recorder())
    expected = contents(job.folder / "result")
    monkeypatch.setattr(checkpoints, "KEPT", 100)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "parts"))
    paths = interrupt(job, step=5)
    assert [int(path.name.split("-")[1]) for path in paths] == [1, 2, 3, 4]
    for step, path in enumerate(paths, start=1):
        root = tmp_path / str(step)
        shutil.copytree(tmp_path / "parts", root, ignore=shutil.ignore_patterns("step-*"))
        monkeypatch.setenv("DVC_ROOT", str(root))
        shutil.copy(path, job.folder / "checkpoints")
        assert training.fit(job, Recorder()).first_step == step
        assert contents(job.folder / "result") == expected, step


def test_interrupted_training_goes_on_from_the_newest_whole_checkpoint(
    finished: Finished, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tiny_job(data, "vae", OFTEN)
    *_, newest = interrupt(job, STEPS)
    newest.write_bytes(newest.read_bytes()[:-1])
    first_step = training.fit(job, Recorder()).first_step
    out = capsys.readouterr().out
    assert f"{newest.name} is damaged; going on from the checkpoint before it" in out
    assert 0 < first_step < STEPS
    assert f"going on from step {first_step} of 12" in out
    assert contents(job.folder / "result") == contents(finished("vae")[0])


def test_checkpoints_by_steps_do_not_wait_after_one_by_time(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by time after the sixth step does not put off those at the multiples of four."""
    written: list[int] = []
    job = tiny_job(data, "autoencoder", {"checkpoint_every_steps": 4})
    monkeypatch.setattr(checkpoints, "write", lambda folder, new: written.append(new.step))
    add = training_state.State.add_row

    def age(self: Any, row: dict[str, float]) -> None:
        add(self, row)
        if self.step == 6:
            self._written_at -= 2000

    monkeypatch.setattr(training_state.State, "add_row", age)
    training.fit(job, Recorder())
    assert written == [4, 6, 8, 12]


def test_training_killed_while_it_wrote_its_result_writes_it_again(
    finished: Finished, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tiny_job(data, "autoencoder", OFTEN)
    with monkeypatch.context() as patch:
        patch.setattr(density, "fit", lambda *values: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            training.fit(job, Recorder())
    assert not (job.folder / "result").exists()
    summary = training.fit(job, Recorder())
    assert summary.first_step == STEPS
    assert summary.images_per_second * summary.train_seconds == pytest.approx(STEPS * 4)
    assert contents(job.folder / "result") == contents(finished("autoencoder")[0])


def test_leftovers_of_a_training_without_checkpoint_do_not_get_into_the_result(data: Path) -> None:
    job = tiny_job(data, "flow", steps=1)
    for folder in ("work", "building"):
        (job.folder / folder).mkdir(parents=True)
        (job.folder / folder / "old").touch()
    training.fit(job, Recorder())
    assert "old" not in contents(job.folder / "result")


# Under load

UNDER_LOAD = """
    import hashlib
    import keras
    from fixtures_models import random_images, tiny_engine, tiny_model
    from genlab.networks import devices

    devices.configure("float32", True)
    keras.utils.set_random_seed(0)
    sizes = {"widths": [500, 500], "latent_dim": 20, "batch_size": 128}
    model = tiny_model("vae", (28, 28, 1), network="dense", **sizes)
    engine = tiny_engine(model, random_images(2000, (28, 28, 1)), 0)
    for window in range(12):
        engine.run(40 * window, 40, {})
    print(hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest())
"""


@pytest.mark.slow
def test_equal_runs_are_equal_also_when_the_machine_is_busy() -> None:
    """Sums of three gradients were once added in the order in which they were ready."""
    command = [sys.executable, "-c", textwrap.dedent(UNDER_LOAD)]
    how = {"env": child_environment(), "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL, **how) for _ in range(6)]
    hashes = [process.communicate()[0] for process in processes]
    assert len(hashes[0]) == 65
    assert set(hashes) == {hashes[0]}
