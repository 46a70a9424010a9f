"""Fits one model: runs its steps, records what is seen on the way, survives a kill, writes the trained model."""

import csv
import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import genlab
from genlab import density, devices, images, seeds
from genlab.errors import InputError
from genlab.training import checkpoints
from genlab.training.checkpoints import Checkpoint
from genlab.training.engine import NO_STEP, Engine
from genlab.training.job import Job
from genlab.training.observer import Observer, Recorder


@dataclass(frozen=True)
class Summary:
    """What a finished training says of itself; nothing of it is hashed by DVC."""

    train_seconds: float
    images_per_second: float
    device: str
    first_step: int


def fit(job: Job, recorder: Recorder) -> Summary:
    """Trains the model of `job`, from its newest checkpoint if there is one, and writes `<job.folder>/result`.

    Raises:
        FloatingPointError: A loss was not finite, or was impossible; the message names the step.
        InputError: The devices cannot share a batch equally.
    """
    keras.utils.clear_session()  # layers are numbered from 0 again: their names are written with the weights
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
    _write_result(job, model, state)
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
        self._written_at = time.monotonic()
        self._restore()

    def _restore(self) -> None:
        checkpoint = checkpoints.read_newest(self.job.folder / "checkpoints")
        if checkpoint is None:
            shutil.rmtree(self.work, ignore_errors=True)
            return
        for variable, value in zip(self.variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.step, self.rows = checkpoint.step, checkpoint.record["rows"]
        self.histograms = checkpoint.record["histograms"]
        tqdm.write(f"{self.job.name}: going on from step {self.step} of {self.job.settings.steps}")

    def write_if_due(self) -> None:
        """Writes a checkpoint where the last one is older than `checkpoint_every_seconds`."""
        if time.monotonic() - self._written_at < self.job.training.checkpoint_every_seconds:
            return
        values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]
        record = {"rows": self.rows, "histograms": self.histograms}
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
    seconds = time.monotonic() - started
    done = (job.settings.steps - first_step) * job.settings.images_per_step
    return Summary(seconds, done / seconds if done else 0.0, devices.describe(), first_step)


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


def _write_result(job: Job, model: Any, state: State) -> None:
    """Writes the trained model, byte-stable, and drops the checkpoints that it makes needless."""
    building, result = job.folder / "building", job.folder / "result"
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(state.work, building)
    model.save_weights(building / "model.weights.h5")
    _write_history(building / "history.csv", state.rows)
    if state.histograms:
        arrays = {name: np.array(rows) for name, rows in state.histograms.items()}
        images.write_npz(building / "histograms.npz", arrays)
    if hasattr(model, "encode"):
        _fit_density(job, model).write(building / "density.npz")
    settings = {
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
    (building / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    shutil.rmtree(result, ignore_errors=True)
    building.rename(result)
    shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
    shutil.rmtree(state.work, ignore_errors=True)


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
