"""Training: equal runs give equal bytes, also after a kill; what cannot be trained is refused."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from filelock import FileLock, Timeout
from fixtures_models import (
    TINY,
    Recorder,
    contents,
    tiny_entry,
    tiny_job,
    tiny_model,
    tiny_params,
    write_dataset,
)
from PIL import Image

from genlab import training
from genlab.imaging.arrays import grid, read_split, to_float, to_uint8
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.settings import plugins, seeds
from genlab.stages import train as stage
from genlab.trained import model as trained_model
from genlab.training import Job
from genlab.training.observer import geometric_steps

KINDS = plugins.names("models")
OFTEN = {"checkpoint_every_seconds": 1e-6}
STEPS = TINY["steps"]
NETWORK = {"autoencoder": "dense", "vae": "dense", "gan": "convolutional"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the repository's root as seen by one test: no checkpoint or result is there."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _float32() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


def job_of(
    data: Path, kind: str, training_changes: dict[str, Any] | None = None, **changes: Any
) -> Job:
    return tiny_job(
        data, kind, training_changes, **{"network": NETWORK.get(kind, "dense")} | changes
    )


@pytest.fixture(scope="module")
def finished(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Recorder]]:
    """Returns a function that trains a kind once, without interruption, and gives its result and what was recorded."""
    results: dict[str, tuple[Path, Recorder]] = {}

    def train(kind: str) -> tuple[Path, Recorder]:
        if kind not in results:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp(kind)))
                recorder, job = Recorder(), job_of(data, kind)
                training.fit(job, recorder)
                results[kind] = job.folder / "result", recorder
        return results[kind]

    return train


# What is written


@pytest.mark.parametrize("kind", KINDS)
def test_result_holds_a_model_that_can_be_loaded(
    finished: Callable[[str], tuple[Path, Recorder]], kind: str
) -> None:
    result, recorder = finished(kind)
    settings = json.loads((result / "settings.json").read_text())
    assert settings["settings"] == json.loads(
        json.dumps(tiny_entry(kind, network=NETWORK.get(kind, "dense")))
    )
    facts = {
        "name": kind,
        "kind": kind,
        "image_shape": [8, 8, 1],
        "class_names": ["upper", "lower"],
        "dataset": "halves",
    }
    assert settings.items() >= facts.items()
    model = trained_model.load(result)
    assert model.sample(3, 0, model.sources()[0]).shape == (3, 8, 8, 1)
    assert model.can("encode") == ("fitted" in model.sources())
    kinds_of_pictures = {path.name.split("_")[0] for path in (result / "progress").iterdir()}
    assert {key for key, _ in recorder.pictures} == kinds_of_pictures
    assert [
        path
        for path in result.parent.iterdir()
        if path.name not in ("result", "lock", "summary.json")
    ] == []


def test_finished_training_tells_another_recorder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    first, again = Recorder(), Recorder()
    training.fit(tiny_job(data, "vae"), first)
    training.fit(tiny_job(data, "vae"), again)
    assert first.metrics == again.metrics
    assert sorted(first.pictures) == sorted(again.pictures)
    assert first.pictures


@pytest.mark.parametrize("kind", KINDS)
def test_history_is_what_was_recorded(
    finished: Callable[[str], tuple[Path, Recorder]], kind: str
) -> None:
    result, recorder = finished(kind)
    with (result / "history.csv").open() as file:
        rows = [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
    assert {int(row.pop("step")): row for row in rows} == recorder.metrics
    assert sorted(recorder.metrics) == [
        1,
        3,
        6,
        9,
        12,
    ]  # logs every 3, validates every 6, pictures at 0, 1, 3 and 12
    losses = {f"train/{name}" for name in tiny_model(kind).loss_names}
    assert all(set(row) >= losses for row in rows)
    with_validation = [
        step for step, row in recorder.metrics.items() if any("validation/" in name for name in row)
    ]
    assert with_validation in ([6, 12], [])
    assert sorted({step for _, step in recorder.pictures}) == [0, 1, 3, 12]


def test_vae_logs_its_latents(finished: Callable[[str], tuple[Path, Recorder]]) -> None:
    result, recorder = finished("vae")
    last = recorder.metrics[STEPS]
    kls = [last[f"validation/kl_of_dimension_{index}"] for index in range(3)]
    assert sum(kls) == pytest.approx(last["validation/kl"], rel=1e-5)
    assert last["validation/active_units"] in (0, 1, 2, 3)
    with np.load(result / "histograms.npz") as histograms:
        assert histograms["step"].tolist() == [1, 3, 12]
        assert histograms["edges"].shape == (81,)
        for name in ("mean", "log_variance"):
            assert histograms[name].shape == (3, 80)
            assert (
                histograms[name].sum(axis=1) == 8 * 3
            ).all()  # 8 validation images, 3 dimensions


def test_last_pictures_are_those_of_the_trained_model(
    finished: Callable[[str], tuple[Path, Recorder]], data: Path
) -> None:
    result, _ = finished("autoencoder")
    rebuilt = trained_model.load(result).reconstruct(
        to_float(read_split(data, "validation").images[:4])
    )
    with Image.open(result / "progress" / "reconstructions_000012.png") as opened:
        difference = np.asarray(opened).astype(int) - grid(to_uint8(rebuilt))[..., 0]
    assert np.abs(difference).max() <= 1


def test_first_pictures_are_those_of_the_untrained_model(
    finished: Callable[[str], tuple[Path, Recorder]], data: Path
) -> None:
    result, _ = finished("vae")
    job = tiny_job(data, "vae")
    keras.utils.set_random_seed(job.seed)
    untrained = job.chapter.build(job.settings, job.image_shape)
    samples = untrained.sample(job.training.num_pictures, seeds.derive(job.seed, "validation"))
    with Image.open(result / "progress" / "samples_000000.png") as opened:
        difference = np.asarray(opened).astype(int) - grid(to_uint8(np.asarray(samples)))[..., 0]
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_equal_runs_give_equal_bytes(
    finished: Callable[[str], tuple[Path, Recorder]], data: Path, state: Path, kind: str
) -> None:
    job = job_of(data, kind)
    summary = training.fit(job, Recorder())
    assert contents(job.folder / "result") == contents(finished(kind)[0])
    assert summary.first_step == 0
    assert summary.images_per_second > 0


def test_another_seed_gives_another_model(
    finished: Callable[[str], tuple[Path, Recorder]], data: Path, state: Path
) -> None:
    params = tiny_params({"autoencoder": tiny_entry("autoencoder", network="dense")}).model_copy(
        update={"seed": 1}
    )
    job = training.prepare(params, "autoencoder", data)
    training.fit(job, Recorder())
    weights = [
        folder / "model.weights.h5"
        for folder in (job.folder / "result", finished("autoencoder")[0])
    ]
    assert weights[0].read_bytes() != weights[1].read_bytes()


@pytest.mark.parametrize(
    ("steps", "times", "expected"),
    [(1000, 4, [1, 10, 100, 1000]), (1, 8, [1]), (3, 8, [1, 2, 3]), (10, 2, [1, 10])],
)
def test_geometric_steps(steps: int, times: int, expected: list[int]) -> None:
    assert geometric_steps(steps, times) == expected


# Interruption

VICTIM = """
    import sys, time
    from pathlib import Path
    from fixtures_models import Recorder, tiny_job
    from genlab import training

    class Blocked(Recorder):
        def log_metrics(self, metrics, step):
            if step == 9:
                print("blocked at step 9", flush=True)
                time.sleep(600)

    often = {"checkpoint_every_seconds": 1e-6}
    training.fit(tiny_job(Path(sys.argv[1]), "gan", often, network="convolutional"), Blocked())
"""


def test_killed_training_goes_on_to_the_same_bytes(
    finished: Callable[[str], tuple[Path, Recorder]],
    data: Path,
    state: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(VICTIM), str(data)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=child_environment()
    ) as victim:
        assert victim.stdout is not None
        lines = iter(victim.stdout.readline, b"")
        assert any(line.startswith(b"blocked at step 9") for line in lines), (
            "the training came to its ninth step"
        )
        victim.send_signal(signal.SIGKILL)
    job = job_of(data, "gan", OFTEN)
    assert len(list((job.folder / "checkpoints").iterdir())) == 2
    recorder = Recorder()
    summary = training.fit(job, recorder)
    assert "gan: going on from step 6 of 12" in capsys.readouterr().out
    assert summary.first_step == 6
    assert sorted(recorder.metrics) == [9, 12]
    assert contents(job.folder / "result") == contents(finished("gan")[0])


def child_environment() -> dict[str, str]:
    import os

    here = Path(__file__).parents[1]
    return os.environ | {
        "PYTHONPATH": f"{here / 'helpers'}:{here.parent / 'src'}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_interrupted_training_goes_on_from_the_newest_whole_checkpoint(
    finished: Callable[[str], tuple[Path, Recorder]],
    data: Path,
    state: Path,
    capsys: pytest.CaptureFixture[str],
    damaged: int,
) -> None:
    job = job_of(data, "vae", OFTEN)
    with pytest.raises(KeyboardInterrupt):
        training.fit(job, Recorder(stop_at=12))
    newest = sorted((job.folder / "checkpoints").iterdir(), reverse=True)
    for path in newest[:damaged]:
        path.write_bytes(path.read_bytes()[:-1])
    summary = training.fit(job, Recorder())
    assert summary.first_step == [9, 6, 0][damaged]
    out = capsys.readouterr().out
    assert out.count("is damaged; going on from the checkpoint before it") == damaged
    assert (f"going on from step {summary.first_step}" in out) == (damaged < 2)
    assert contents(job.folder / "result") == contents(finished("vae")[0])


def test_checkpoints_between_two_rows_hold_the_sums_since_the_last_one(
    finished: Callable[[str], tuple[Path, Recorder]], data: Path, state: Path
) -> None:
    job = job_of(data, "vae", {"checkpoint_every_steps": 4})
    with pytest.raises(KeyboardInterrupt):
        training.fit(job, Recorder(stop_at=12))
    assert [path.name[:14] for path in sorted((job.folder / "checkpoints").iterdir())] == [
        "step-000000004",
        "step-000000008",
    ]
    assert training.fit(job, Recorder()).first_step == 8
    assert contents(job.folder / "result") == contents(finished("vae")[0])


def test_checkpoints_by_steps_do_not_wait_after_one_by_time(
    data: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by time after the sixth step does not put off those at the multiples of four."""
    from genlab.training import state as module

    written: list[int] = []
    job = job_of(data, "autoencoder", {"checkpoint_every_steps": 4})
    monkeypatch.setattr(
        module.checkpoints, "write", lambda folder, checkpoint: written.append(checkpoint.step)
    )
    add = module.State.add_row

    def age(self: Any, row: dict[str, float]) -> None:
        add(self, row)
        if self.step == 6:
            self._written_at -= 2000

    monkeypatch.setattr(module.State, "add_row", age)
    training.fit(job, Recorder())
    assert written == [4, 6, 8, 12]


@pytest.mark.parametrize("changes", [{"resident_megabytes": 0.0}, {"checkpoint_every_steps": 5}])
def test_streaming_and_checkpoints_change_no_byte(
    finished: Callable[[str], tuple[Path, Recorder]],
    data: Path,
    state: Path,
    changes: dict[str, Any],
) -> None:
    job = job_of(data, "gan", changes)
    training.fit(job, Recorder())
    assert contents(job.folder / "result") == contents(finished("gan")[0])


def test_training_killed_while_it_wrote_its_result_writes_it_again(
    finished: Callable[[str], tuple[Path, Recorder]],
    data: Path,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from genlab.numerics import density

    job = job_of(data, "autoencoder", OFTEN)
    with monkeypatch.context() as patch:
        patch.setattr(density, "fit", lambda *values: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            training.fit(job, Recorder())
    assert not (job.folder / "result").exists()
    summary = training.fit(job, Recorder())
    assert summary.first_step == STEPS
    assert summary.images_per_second == pytest.approx(
        STEPS * job.settings.images_per_step / summary.train_seconds
    )
    assert contents(job.folder / "result") == contents(finished("autoencoder")[0])


def test_leftovers_of_a_training_without_checkpoint_do_not_get_into_the_result(
    data: Path, state: Path
) -> None:
    job = job_of(data, "autoencoder", steps=1)
    for folder in ("work", "building"):
        (job.folder / folder).mkdir(parents=True)
        (job.folder / folder / "old").touch()
    training.fit(job, Recorder())
    assert "old" not in contents(job.folder / "result")


# Precision, failures, refusals


def test_bfloat16_trains_and_is_loaded_as_it_was_trained(data: Path, state: Path) -> None:
    job = job_of(data, "vae", {"precision": "mixed_bfloat16"}, network="convolutional")
    recorder = Recorder()
    training.fit(job, recorder)
    assert all(np.isfinite(list(row.values())).all() for row in recorder.metrics.values())
    keras.config.set_dtype_policy("float32")
    model = trained_model.load(job.folder / "result")
    layer = model.model.encoder.layers[1]
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == "float32"
    assert model.sample(2, 0).dtype == np.float32


def test_float16_on_a_cpu_is_refused_at_the_door(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "kind", lambda: "cpu")
    with pytest.raises(
        InputError,
        match=r"^precision must be float32 or mixed_bfloat16 on a CPU. Received: precision='mixed_f",
    ):
        job_of(data, "vae", {"precision": "mixed_float16"})


@pytest.mark.parametrize(
    ("arithmetic", "kind", "network", "expected"),
    [
        ("cpu_bfloat16", "gan", "convolutional", "mixed_bfloat16"),
        ("cpu_bfloat16", "gan", "dense", "float32"),
        ("cpu_bfloat16", "vae", "dense", "float32"),
        ("cpu", "gan", "convolutional", "float32"),
        ("gpu", "gan", "convolutional", "float32"),
    ],
)
def test_automatic_precision_is_resolved_at_the_door(
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    arithmetic: str,
    kind: str,
    network: str,
    expected: str,
) -> None:
    """It is the resolved one that makes the key and is saved with the model."""
    monkeypatch.setattr(devices, "arithmetic", lambda: arithmetic)
    job = job_of(data, kind, {"precision": "auto"}, network=network)
    assert job.training.precision == expected
    assert job.train_key == job_of(data, kind, {"precision": expected}, network=network).train_key


@pytest.mark.parametrize(("steps", "step"), [(12, 2), (1, 1)])
def test_non_finite_loss_ends_the_training_and_names_the_step(
    data: Path, state: Path, steps: int, step: int
) -> None:
    """The first update destroys the weights: seen by the losses of step 2, or by the validation after the last step."""
    job = job_of(data, "vae", learning_rate=1e30, learning_rate_schedule="constant", steps=steps)
    expected = (
        f"^vae: the losses must be finite. Received: not a number or infinite at step {step}. Lower the learning rate. "
        "See params.yaml: models.vae.$"
    )
    with pytest.raises(FloatingPointError, match=expected):
        training.fit(job, Recorder())
    assert not (job.folder / "result").exists()


def test_impossible_loss_ends_the_training(
    data: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(data, "vae", steps=1)
    monkeypatch.setattr(job.chapter, "kl_per_dimension", lambda mean, log_variance: 0 * mean - 1)
    with pytest.raises(
        FloatingPointError,
        match=r"^vae: kl must be at least -0.001 nats .* Received: -3.0. Steps up to 1.$",
    ):
        training.fit(job, Recorder())


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("vae", {"batch_size": 49}), ("gan", {"batch_size": 17, "discriminator_steps": 3})],
)
def test_more_images_per_step_than_there_are_is_refused(
    data: Path, kind: str, changes: dict[str, Any]
) -> None:
    number = changes["batch_size"] * changes.get("discriminator_steps", 1)
    expected = (
        f"^batch_size must be at most the 48 training images. Received: {number} images per step. "
        f"See params.yaml: models.{kind}.batch_size.$"
    )
    with pytest.raises(InputError, match=expected):
        job_of(data, kind, **changes)


def test_unknown_names_are_refused(data: Path) -> None:
    with pytest.raises(
        InputError, match=r"^model must be one of vae. Received: 'gan'. See params.yaml: models.$"
    ):
        training.prepare(tiny_params({"vae": tiny_entry("vae")}), "gan", data)
    with pytest.raises(
        InputError, match=r"^params.yaml: models.m.kind must be one of .* Received: 'flow'."
    ):
        training.prepare(tiny_params({"m": tiny_entry("vae") | {"kind": "flow"}}), "m", data)


# The key


def test_key_is_that_of_what_the_result_depends_on(data: Path, tmp_path: Path) -> None:
    same = job_of(data, "vae").train_key
    assert job_of(data, "vae", OFTEN).train_key == same
    shutil.copytree(data, tmp_path / "copy")
    assert job_of(tmp_path / "copy", "vae").train_key == same
    others = [
        job_of(data, "vae", kl_weight=2.0),
        job_of(data, "vae", {"precision": "mixed_bfloat16"}),
        job_of(data, "vae", {"log_every_steps": 4}),
        job_of(write_dataset(tmp_path / "other", test=21), "vae"),
        training.prepare(tiny_params({"v": tiny_entry("vae", network="dense")}), "v", data),
        training.prepare(
            tiny_params({"vae": tiny_entry("vae", network="dense")}).model_copy(update={"seed": 1}),
            "vae",
            data,
        ),
    ]
    assert len({same, *(job.train_key for job in others)}) == len(others) + 1


# The stage: one training at a time, and none twice


def test_finished_training_is_not_repeated(
    data: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = job_of(data, "vae")
    (job.folder / "result").mkdir(parents=True)
    (job.folder / "result" / "settings.json").write_text("{}")
    (job.folder / stage.RECORDED).write_text('{"train_seconds": 7}')
    out = state / "models" / "vae"
    out.mkdir(parents=True)
    (out / "stale").touch()
    stage.run(
        tiny_params({"vae": tiny_entry("vae", network="dense")}),
        "vae",
        data,
        state,
        out,
        state / "timings",
    )
    assert contents(out) == {"settings.json": b"{}"}
    assert (
        f"vae: this very training is finished ({job.train_key}); using its result"
        in capsys.readouterr().out
    )
    assert contents(state / "timings") == {"vae.json": b'{"train_seconds": 7}'}


HOLDER = """
    import sys
    from pathlib import Path
    from filelock import FileLock

    folder, note = Path(sys.argv[1]), sys.argv[2]
    with FileLock(folder / "lock"):
        if note:
            (folder / "holder.json").write_text(note)
        print("held", flush=True)
        while "go" not in sys.stdin.readline():
            pass
        (folder / "result").mkdir()
        (folder / "result" / "settings.json").write_text("{}")
        (folder / "recorded.json").write_text("{}")
"""


NOTE = '{"process": 7, "host": "elsewhere", "since": "2026-01-02 03:04:05", "command": "genlab train vae"}'
NOTES = {
    NOTE: "process 7 on host elsewhere has been at this very training ({}) since 2026-01-02 03:04:05: genlab train vae",
    "": "another process is at this very training ({})",
}


@contextmanager
def held(job: Job, note: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a process that holds the lock of a training, and finishes it when it is told to go."""
    job.folder.mkdir(parents=True)
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(job.folder), note]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


@pytest.mark.parametrize("note", NOTES)
def test_second_of_two_equal_trainings_waits_and_uses_the_result(
    data: Path, state: Path, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    job, said = job_of(data, "vae"), []
    params = tiny_params({"vae": tiny_entry("vae", network="dense")})
    with held(job, note) as holder:

        def say(line: str) -> None:
            said.append(line)
            if "waiting" in line:
                print("go", file=holder.stdin, flush=True)

        monkeypatch.setattr(stage.tqdm, "write", say)
        stage.run(params, "vae", data, state, state / "models" / "vae", state / "timings")
    assert said[0] == f"vae: {NOTES[note].format(job.train_key)}; waiting for its result"
    assert contents(state / "models" / "vae") == {"settings.json": b"{}"}


def test_second_of_two_equal_trainings_is_refused_where_it_shall_not_wait(
    data: Path, state: Path
) -> None:
    job = job_of(data, "vae")
    params = tiny_params({"vae": tiny_entry("vae", network="dense")})
    with held(job, NOTE), pytest.raises(InputError) as caught:
        stage.run(
            params, "vae", data, state, state / "models" / "vae", state / "timings", wait=False
        )
    assert str(caught.value) == (
        f"vae must be trained by one process at a time. Received: {NOTES[NOTE].format(job.train_key)}. "
        "Wait for its end, or leave out --no-wait."
    )


def test_lock_is_held_by_name_and_released_at_the_end(data: Path, state: Path) -> None:
    job = job_of(data, "vae")
    job.folder.mkdir(parents=True)
    with stage._lock(job, wait=False):
        with pytest.raises(Timeout):
            FileLock(job.folder / "lock").acquire(timeout=0)
        note = json.loads((job.folder / stage.HOLDER).read_text())
    assert (note["process"], note["host"]) == (os.getpid(), socket.gethostname())
    assert abs(time.mktime(time.strptime(note["since"], "%Y-%m-%d %H:%M:%S")) - time.time()) < 60
    FileLock(job.folder / "lock").acquire(timeout=0).lock.release()


# Several devices

TWO_DEVICES = Path(__file__).parents[1] / "helpers" / "two_devices.py"


def test_two_devices_share_each_batch(data: Path, state: Path) -> None:
    done = subprocess.run(
        [sys.executable, TWO_DEVICES, data],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["num_devices"] == 2
    assert found["shares"] == [2, 2], "each device sees its half of the batch"
    assert found["same_images"], "both halves together are the batch of one device"
    assert found["drawn"][0] == found["drawn"][1], (
        "of grey images both draw the blacks and whites of one device"
    )
    assert set(found["drawn"][0]) == {0, 255}
    assert found["seeds"] == [[9, 0], [9, 0], [9, 1], [9, 1]], "both draw their shares of one noise"
    assert found["autoencoder_difference"] < 1e-6
    assert found["average_difference"] < 1e-6
    for name in ("vae", "gan_none", "gan_batch"):
        assert found[name]["finite"]
        assert found[name]["sampled"] == [3, 8, 8, 1]
    assert found["refused"] == (
        "batch_size must be a multiple of the 2 devices. Received: batch_size=5. "
        "See params.yaml: models.vae.batch_size."
    )


# Under load

UNDER_LOAD = """
    import hashlib, sys
    import keras
    from fixtures_models import random_images, tiny_model
    from genlab.networks import devices
    from genlab.training.engine import Engine
    from genlab.training.feed import Resident

    devices.configure("float32", True)
    keras.utils.set_random_seed(0)
    sizes = {"widths": [500, 500], "latent_dim": 20, "batch_size": 128}
    model = tiny_model("vae", (28, 28, 1), network="dense", **sizes)
    engine = Engine(model, model.make_optimizers(), Resident(random_images(2000, (28, 28, 1)), 0), 0)
    for window in range(12):
        engine.run(40 * window, 40, {})
    print(hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest())
"""


@pytest.mark.slow
def test_equal_runs_are_equal_also_when_the_machine_is_busy() -> None:
    """Sums of three gradients used to be added in an order that depended on which was ready first."""
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), *sys.path])
    command = [sys.executable, "-c", textwrap.dedent(UNDER_LOAD)]
    environment = os.environ | {"PYTHONPATH": paths}
    processes = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(6)
    ]
    hashes = [process.communicate()[0] for process in processes]
    assert len(hashes[0]) == 65
    assert set(hashes) == {hashes[0]}
