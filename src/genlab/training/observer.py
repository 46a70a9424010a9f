"""What training observes, and when: losses, validation, pictures from fixed noise, histograms."""

import bisect
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from genlab.contract.batches import as_batch
from genlab.contract.capabilities import Diagnosed, Encodes, Generates, HasPosterior, Validated
from genlab.contract.fields import read_arrays
from genlab.contract.steps import Batch, Losses, Model
from genlab.features import judges
from genlab.imaging import arrays, binarisation
from genlab.numerics import gaussians
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.trained.generators import Generator, generators
from genlab.training.job import FRECHET_DISTANCE, Job

HISTOGRAM_EDGES = np.linspace(-8.0, 8.0, 81)


class Recorder(Protocol):
    """Receives metrics and pictures during a training."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Receives the metrics after `step` steps."""

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Receives a picture, PNG, from after `step` steps."""


class NoRecorder:
    """Ignores what it receives."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Does nothing."""

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Does nothing."""


def replay(folder: Path, recorder: Recorder) -> None:
    """Replays the metrics and pictures of a finished training to a recorder."""
    with (folder / "history.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row.pop("step"))
            recorder.log_metrics({name: float(value) for name, value in row.items() if value}, step)
    for path in sorted((folder / "progress").glob("*.png")):
        key, _, step_text = path.stem.rpartition("_")
        recorder.log_image(path, key, int(step_text))


def check_monitor(metric: str | None, known: Sequence[str], where: str) -> None:
    """Raises an InputError if a model has no such validation metric; None is always allowed."""
    if metric is not None and metric not in known:
        name = where.rpartition(".")[2]
        raise InputError(f"{name} must be one of {', '.join(known)}", repr(metric), f"See {where}")


def validated_names(model: Model, batch: Batch) -> list[str]:
    """Returns the names of a model's validation metrics; the model is traced, not run."""
    return _names(model, tf.function(lambda: validate(model, batch, 0), autograph=False))


def _names(model: Model, validation: Any) -> list[str]:
    names = list(validation.get_concrete_function().structured_outputs)
    return [*names, *([FRECHET_DISTANCE] if isinstance(model, Generates) else [])]


def validate(model: Model, batch: Batch, seed: int) -> Losses:
    """Returns the losses and diagnostics of a model on a batch; {} if it has none."""
    metrics: Losses = {}
    if isinstance(model, Validated):
        metrics |= model.compute_losses(batch, (seed, 0))
    if isinstance(model, Diagnosed):
        metrics |= model.diagnostics(batch)
    return metrics


def geometric_steps(steps: int, times: int) -> list[int]:
    """Returns at most `times` steps from 1 to `steps`, geometrically spaced."""
    return sorted({round(steps ** (index / (times - 1))) for index in range(times)})


class Observer:
    """Observes a model at fixed steps; what it records depends only on the step."""

    def __init__(self, job: Job, model: Model, recorder: Recorder):
        """Raises an InputError if the model lacks the monitored metric."""
        self.job = job
        self.model = model
        self.recorder = recorder
        training, steps = job.training, job.steps
        self.picture_steps = set(geometric_steps(steps, training.num_picture_times))
        self.validation_steps = {*range(0, steps, training.validate_every_steps), steps}
        self.log_steps = {*range(0, steps, training.log_every_steps), steps}
        self.stops = sorted(self.picture_steps | self.validation_steps | self.log_steps)
        self.seed = seeds.derive(job.seed, "validation")
        self.fields = _validation_fields(job, model)
        self.batch = _as_floats({name: self.fields[name] for name in job.takes}, job)
        where = f"params.yaml: models.{job.name}.monitor"
        check_monitor(job.settings.monitor, _names(model, self._validation_metrics), where)
        self.generator = next(iter(generators(model, job.spec).values()), None)
        self._distance: FrechetMonitor | None = None
        if job.features and self.generator:
            self._distance = FrechetMonitor(job.features, self.fields, self.generator)

    def stop_after(self, step: int) -> int:
        """Returns the next step after `step` at which something is observed."""
        return self.stops[bisect.bisect_right(self.stops, step)]

    def begin(self) -> None:
        """Records pictures of the untrained model."""
        self._record_pictures(0)

    def look(
        self, step: int, train_row: dict[str, float], histograms: dict[str, list[Any]]
    ) -> dict[str, float]:
        """Records what is due at this step, and returns the validation metrics."""
        row = self._validate() if step in self.validation_steps else {}
        if step in self.picture_steps:
            self._record_pictures(step)
            self._add_histograms(step, histograms)
        self.recorder.log_metrics(train_row | row, step)
        return row

    def _validate(self) -> dict[str, float]:
        metrics: dict[str, Any] = dict(self._validation_metrics())
        if self._distance:
            metrics[FRECHET_DISTANCE] = self._distance.measure(self.seed)
        return {f"validation/{name}": float(value) for name, value in metrics.items()}

    @tf.function(autograph=False)
    def _validation_metrics(self) -> Losses:
        batch = {name: tf.constant(values) for name, values in self.batch.items()}
        return validate(self.model, batch, self.seed)

    def _record_pictures(self, step: int) -> None:
        for key, path in self._write_pictures(step):
            self.recorder.log_image(path, key, step)

    def _write_pictures(self, step: int) -> Iterator[tuple[str, Path]]:
        """Writes grids of samples from fixed noise and of reconstructed validation images."""
        number = min(self.job.training.num_pictures, len(self.fields["images"]))
        if self.generator:
            given = {name: self.fields[name][:number] for name in self.generator.given}
            num_samples = number if given else self.job.training.num_pictures
            samples = self.generator.sample(num_samples, self.seed, given)
            yield "samples", self._write_grid("samples", step, samples)
        if isinstance(self.model, Encodes):
            images = self.model.decode(self.model.encode(self.batch["images"][:number]))
            yield "reconstructions", self._write_grid("reconstructions", step, images)

    def _write_grid(self, key: str, step: int, pictures: Any) -> Path:
        path = self.job.work / "progress" / f"{key}_{step:06d}.png"
        arrays.write_png(path, arrays.grid(arrays.to_uint8(np.asarray(pictures))))
        return path

    def _add_histograms(self, step: int, histograms: dict[str, list[Any]]) -> None:
        if not isinstance(self.model, HasPosterior):
            return
        mean, log_variance = self.model.posterior(self.batch["images"])
        histograms["edges"] = HISTOGRAM_EDGES.tolist()
        histograms.setdefault("step", []).append(step)
        for name, values in (("mean", mean), ("log_variance", log_variance)):
            clipped = np.clip(np.asarray(values), HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1])
            counts = np.histogram(clipped, HISTOGRAM_EDGES)[0]
            histograms.setdefault(name, []).append(counts.tolist())


def _validation_fields(job: Job, model: Model) -> dict[str, np.ndarray]:
    """Returns validation rows of all fields that the model takes or is given.

    All have the same number of rows; unaligned fields may have fewer than there are images. Fewer
    than all are drawn by class: a folder's first images are of one class.
    """
    given = model.given if isinstance(model, Generates) else ()
    names = dict.fromkeys(("images", *job.takes, *given))
    fields = read_arrays(job.data, "validation", names)
    number = min(job.training.num_validation_images, *map(len, fields.values()))
    rows = arrays.choose_rows(arrays.read_split(job.data, "validation").labels, number)
    return {name: np.asarray(array[rows % len(array)]) for name, array in fields.items()}


def _as_floats(fields: Mapping[str, np.ndarray], job: Job) -> dict[str, np.ndarray]:
    """Returns fields as the model takes them, with images binarised if they are in training."""
    images = binarisation.as_seen(fields["images"], job.binarisation)
    batch = as_batch({**fields, "images": images}, job.spec)
    return {name: values.numpy() for name, values in batch.items()}


class FrechetMonitor:
    """A cheap Fréchet distance between samples and as many validation images."""

    def __init__(self, features: Path, fields: Mapping[str, np.ndarray], generator: Generator):
        self.generator = generator
        self.given = {name: fields[name] for name in generator.given}
        self.num_images = len(fields["images"])
        self.judges = [
            judges.beside(name, extractor, fields["images"])
            for name, extractor in judges.load(features).items()
        ]
        self.real = [gaussians.moments(judge.real.features) for judge in self.judges]

    def measure(self, seed: int) -> float:
        """Returns the distance of samples from fixed noise, the mean over the selection judges."""
        samples = arrays.to_uint8(self.generator.sample(self.num_images, seed, self.given))
        distances = [
            gaussians.frechet_distance(real, gaussians.moments(judge.extract(samples).features))
            for judge, real in zip(self.judges, self.real, strict=True)
        ]
        return float(np.mean(distances))
