"""Fits one model: runs its steps, records what is seen on the way, survives a kill, writes the trained model."""

import csv
import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import genlab
from genlab import density, devices, images, seeds
from genlab.errors import InputError
from genlab.files import replacing
from genlab.training import checkpoints
from genlab.training.checkpoints import Checkpoint
from genlab.training.engine import NO_STEP, Engine
from genlab.training.job import Job
from genlab.training.observer import Observer, Recorder

SUMMARY = "summary.json"
"""In the training's folder, once its result is complete."""


@dataclass(frozen=True)
class Summary:
    """What a finished training says of itself; nothing of it is hashed by DVC."""

    train_seconds: float
    images_per_second: float
    device: str
    first_step: int
    """Where the process that finished it began: 0, or the step of a checkpoint."""


def fit(job: Job, recorder: Recorder) -> Summary:
    """Trains the model of `job`, from its newest checkpoint if there is one, and writes `<job.folder>/result`.

    A training that is finished is not repeated: what it said of itself is returned.

    Raises:
        FloatingPointError: A loss was not finite, or was impossible; the message names the step.
        InputError: The devices cannot share a batch equally.
    """
    keras.utils.clear_session()  # layers are numbered from 0 again: their names are written with the weights
    if (job.folder / SUMMARY).is_file():
        return Summary(**json.loads((job.folder / SUMMARY).read_text()))
    devices.configure(job.training.precision, job.training.deterministic)
    keras.utils.set_random_seed(job.seed)
    strategy = devices.strategy()
    _check_shares(job, strategy.num_replicas_in_sync)
    with strategy.scope():
        model = job.chapter.build(job.settings, job.image_shape)
        optimizers = model.make_optimizers()
        engine = Engine(model, optimizers, np.asarray(images.read_split(job.data, "train").images), job.seed)
        state = State(job, model, optimizers)
        observer = Observer(job, model, state.work, recorder)
        summary = _run(engine, state, observer)
    _write_result(job, model, state, summary)
    return summary


def _check_shares(job: Job, num_devices: int) -> None:
    if job.settings.batch_size % num_devices:
        raise InputError(
            f"batch_size must be a multiple of the {num_devices} devices. "
            f"Received: batch_size={job.settings.batch_size}. See params.yaml: models.{job.name}.batch_size."
        )


class State:
    """The variables and the record of a training, as they go into a checkpoint and come out of it."""

    def __init__(self, job: Job, model: Any, optimizers: dict[str, Any]):
        self.job = job
        self.work = job.folder / "work"
        self.variables = [*model.variables, *(v for name in sorted(optimizers) for v in optimizers[name].variables)]
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self.histograms: dict[str, list[Any]] = {}
        self.seconds_before = 0.0
        self._started = self._written_at = time.monotonic()
        self._restore()

    @property
    def seconds(self) -> float:
        """Seconds of training, those of the processes before this one included."""
        return self.seconds_before + time.monotonic() - self._started

    def _restore(self) -> None:
        checkpoint = checkpoints.read_newest(self.job.folder / "checkpoints")
        if checkpoint is None:
            shutil.rmtree(self.work, ignore_errors=True)
            return
        for variable, value in zip(self.variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.step, self.rows = checkpoint.step, checkpoint.record["rows"]
        self.histograms, self.seconds_before = checkpoint.record["histograms"], checkpoint.record["seconds"]
        tqdm.write(f"{self.job.name}: going on from step {self.step} of {self.job.settings.steps}")

    def write_if_due(self) -> None:
        """Writes a checkpoint where the last one is older than `checkpoint_every_seconds`."""
        if time.monotonic() - self._written_at < self.job.training.checkpoint_every_seconds:
            return
        values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]
        record = {"rows": self.rows, "histograms": self.histograms, "seconds": self.seconds}
        checkpoints.write(self.job.folder / "checkpoints", Checkpoint(self.step, values, record))
        self._written_at = time.monotonic()


def _run(engine: Engine, state: State, observer: Observer) -> Summary:
    job, first_step, started = state.job, state.step, time.monotonic()
    with tqdm(total=job.settings.steps, initial=first_step, desc=job.name, unit="step", mininterval=0.5) as bar:
        for stop in observer.stops_after(first_step):
            losses, first_bad = engine.run(tf.constant(state.step), tf.constant(stop - state.step))
            row = {f"train/{name}": float(value) for name, value in losses.items()}
            _check(job, engine.model, row, int(first_bad), stop)
            bar.update(stop - state.step)
            state.step = stop
            seen = observer.look(stop, row, state.histograms)
            if not all(math.isfinite(value) for value in seen.values()):
                raise _not_finite(job, stop)
            state.rows.append({"step": stop} | row | seen)
            seconds = time.monotonic() - started
            rate = (stop - first_step) * job.settings.images_per_step / seconds
            bar.set_postfix_str(_postfix(row, rate), refresh=False)
            state.write_if_due()
    seconds = state.seconds
    return Summary(seconds, job.settings.steps * job.settings.images_per_step / seconds, devices.describe(), first_step)


def _postfix(row: dict[str, float], images_per_second: float) -> str:
    losses = (f"{name.removeprefix('train/')}={value:.4g}" for name, value in row.items() if "loss" in name)
    return f"{' '.join(losses)} {images_per_second:.0f} images/s"


def _check(job: Job, model: Any, row: dict[str, float], first_bad: int, stop: int) -> None:
    if first_bad != NO_STEP:
        raise _not_finite(job, first_bad + 1)
    if hasattr(model, "check_losses"):
        try:
            model.check_losses({name.removeprefix("train/"): value for name, value in row.items()})
        except FloatingPointError as error:
            raise FloatingPointError(f"{job.name}: {error} Steps up to {stop}.") from None


def _not_finite(job: Job, step: int) -> FloatingPointError:
    return FloatingPointError(
        f"{job.name}: the losses must be finite. Received: not a number or infinite at step {step}. "
        f"Lower the learning rate. See params.yaml: models.{job.name}."
    )


# The trained model on disk


def _write_result(job: Job, model: Any, state: State, summary: Summary) -> None:
    """Writes the trained model, byte-stable, and drops the checkpoints that it makes needless."""
    with replacing(job.folder / "result") as building:
        shutil.copytree(state.work, building)
        model.save_weights(building / "model.weights.h5")
        _write_history(building / "history.csv", state.rows)
        if state.histograms:
            arrays = {name: np.array(rows) for name, rows in state.histograms.items()}
            images.write_npz(building / "histograms.npz", arrays)
        if hasattr(model, "encode"):
            _fit_density(job, model).write(building / "density.npz")
        (building / "settings.json").write_text(json.dumps(_describe(job), indent=2) + "\n")
    with replacing(job.folder / SUMMARY) as building:
        building.write_text(json.dumps(asdict(summary)))
    shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
    shutil.rmtree(state.work, ignore_errors=True)


def _describe(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "kind": job.settings.kind,
        "settings": job.settings.model_dump(mode="json"),
        "image_shape": list(job.image_shape),
        "dataset": job.description["name"],
        "class_names": job.description["class_names"],
        "train_key": job.train_key,
        "precision": job.training.precision,
        "genlab_version": genlab.__version__,
    }


def _write_history(path: Path, rows: list[dict[str, float]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _fit_density(job: Job, model: Any) -> density.GaussianMixture:
    """Fits the mixture to the latents of training images: to posterior draws where the model has posteriors."""
    seed = seeds.derive(job.seed, "density")
    train = images.read_split(job.data, "train").images
    chosen = np.sort(np.random.default_rng(seed).permutation(len(train))[: job.training.density_images])
    latents = np.concatenate(list(_latents(model, images.to_float(train[chosen]), seed)))
    return density.fit(latents, job.training.density_components, seed)


def _latents(model: Any, floats: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    for start in range(0, len(floats), 500):
        batch = floats[start : start + 500]
        if hasattr(model, "draw_posterior"):
            yield model.draw_posterior(batch, (seed, start)).numpy()
        else:
            yield model.encode(batch).numpy()
