"""A training that pauses and goes on, also under other settings, is one that never paused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_models import Finished, Recorder, contents, tiny_job

from genlab import training
from genlab.runtime.errors import InputError
from genlab.training import Pause

pytestmark = pytest.mark.usefixtures("chapters", "state")
KINDS = (*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("vae", "gan")), "growing")


def checkpoint_steps(job: training.Job) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in (job.folder / "checkpoints").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_training_paused_twice_has_the_bytes_of_an_uninterrupted_one(
    finished: Finished, data: Path, kind: str
) -> None:
    """Steps 4 and 7 have no row of the history; the schedule is that of all 12 steps."""
    job = tiny_job(data, kind)
    for step in (4, 7):
        training.fit(job, Recorder(), Pause(step))
        assert checkpoint_steps(job) == [step]
        assert not (job.folder / "summary.json").exists()
    assert training.fit(job, Recorder()).first_step == 7
    assert contents(job.folder / "result") == contents(finished(kind)[0])


def test_paused_training_shows_the_model_of_its_step(data: Path) -> None:
    job = tiny_job(data, "vae")
    training.fit(job, Recorder(), Pause(4, is_shown=False))
    assert not (job.folder / "result").exists()
    training.fit(job, Recorder(), Pause(5))
    first = contents(job.folder / "result")
    assert b'"step": 5' in first["settings.json"]
    training.fit(job, Recorder(), Pause(5))  # killed before anyone heard of it
    assert contents(job.folder / "result") == first
    assert checkpoint_steps(job) == [5]


def test_last_step_is_no_pause(finished: Finished, data: Path) -> None:
    job = tiny_job(data, "vae")
    training.fit(job, Recorder(), Pause(12))
    assert (job.folder / "summary.json").is_file()
    assert contents(job.folder / "result") == contents(finished("vae")[0])


def weights(job: training.Job) -> Any:
    return contents(job.folder / "result")["model.weights.h5"]


@pytest.mark.slow
def test_copied_training_goes_on_under_other_settings(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant learning rate is a variable of Keras's optimizer; the settings' value counts."""

    def run(source: str, target: str, rates: tuple[float, float]) -> Any:
        jobs = [tiny_job(data, "vae", learning_rate=rate) for rate in rates]
        first, second = (
            replace(job, train_key=key) for job, key in zip(jobs, (source, target), strict=True)
        )
        training.fit(first, Recorder(), Pause(6))
        if source != target:
            training.copy_paused(source, target)
        training.fit(second, Recorder(), Pause(12, start=6))
        return weights(second)

    changed = run("a", "b", (1e-3, 1e-2))
    assert changed == run("c", "c", (1e-3, 1e-2))  # the same without the copy
    assert changed != run("d", "d", (1e-3, 1e-3))


def test_lost_checkpoint_is_said(data: Path) -> None:
    job = tiny_job(data, "vae")
    with pytest.raises(InputError) as error:
        training.fit(job, Recorder(), Pause(8, start=4))
    assert error.value.expected == "the checkpoint of step 4 must be there"
    assert error.value.received == "one of step 0"
    with pytest.raises(InputError) as error:
        training.copy_paused("none", job.train_key)
    assert error.value.expected == "a training that is copied must have a checkpoint"
