"""What is looked at during training, and when: losses, validation, pictures from fixed latents, latent histograms."""

import bisect
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from genlab.features import classifier
from genlab.imaging import arrays, binarisation
from genlab.networks.trunks import Losses
from genlab.numerics import gaussians
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.training.job import FRECHET_DISTANCE, Job

HISTOGRAM_EDGES = np.linspace(-8.0, 8.0, 81)


class Recorder(Protocol):
    """Who is told of metrics and pictures on the way."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Takes the metrics after `step` steps."""

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Takes a picture, PNG, made after `step` steps."""


class NoRecorder:
    """Tells nobody."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Drops the metrics."""

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Drops the picture."""


def tell_again(folder: Path, recorder: Recorder) -> None:
    """Tells the recorder all metrics and pictures of a finished training, as it was told on the way.

    Args:
        folder: The training's result.
        recorder: Who is told.
    """
    with (folder / "history.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row.pop("step"))
            recorder.log_metrics({name: float(value) for name, value in row.items() if value}, step)
    for path in sorted((folder / "progress").glob("*.png")):
        key, _, step_text = path.stem.rpartition("_")
        recorder.log_image(path, key, int(step_text))


def check_monitor(model: Any, metric: str | None, kind: str, where: str) -> None:
    """Raises an InputError where a model of this kind has no such validation metric; none is always there."""
    losses = model.loss_names if hasattr(model, "compute_losses") else ()
    known = [*losses, *([FRECHET_DISTANCE] if hasattr(model, "sample") else [])]
    if metric is not None and metric not in known:
        name = where.rpartition(".")[2]
        raise InputError(
            f"{name} must be one of {', '.join(known)} for a model of kind {kind}",
            f"{metric!r}",
            f"See {where}",
        )


def geometric_steps(steps: int, times: int) -> list[int]:
    """Returns at most `times` steps from 1 to `steps`, geometrically spaced: the early ones show the learning."""
    return sorted({round(steps ** (index / (times - 1))) for index in range(times)})


class Observer:
    """Looks at a model at fixed steps; what it sees depends on the step alone, not on when the run was killed."""

    def __init__(self, job: Job, model: Any, recorder: Recorder):
        """Raises an InputError where the model has no such metric as it is to monitor."""
        self.job, self.model, self.recorder = job, model, recorder
        training, steps = job.training, job.settings.steps
        self.picture_steps = set(geometric_steps(steps, training.num_picture_times))
        self.validation_steps = {*range(0, steps, training.validate_every_steps), steps}
        self.log_steps = {*range(0, steps, training.log_every_steps), steps}
        self.stops = sorted(self.picture_steps | self.validation_steps | self.log_steps)
        validation = np.asarray(
            arrays.read_split(job.data, "validation").images[: training.num_validation_images]
        )
        self.validation = arrays.to_float(binarisation.as_seen(validation, job.binarisation))
        self.seed = seeds.derive(job.seed, "validation")
        where = f"params.yaml: models.{job.name}.monitor"
        check_monitor(model, job.settings.monitor, job.settings.kind, where)
        self._distance = FrechetMonitor(job.features, validation) if job.features else None

    def stop_after(self, step: int) -> int:
        """Returns the first step, later than `step`, after which something is looked at."""
        return self.stops[bisect.bisect_right(self.stops, step)]

    def begin(self) -> None:
        """Tells the recorder the pictures of the untrained model: MLflow's slider stands at step 0 first."""
        self._tell_pictures(0)

    def look(
        self, step: int, train_row: dict[str, float], histograms: dict[str, list[Any]]
    ) -> dict[str, float]:
        """Returns the validation metrics where they are due after `step`; tells the recorder of all that is new."""
        row = self._validate() if step in self.validation_steps else {}
        if step in self.picture_steps:
            self._tell_pictures(step)
            self._add_histograms(step, histograms)
        self.recorder.log_metrics(train_row | row, step)
        return row

    def _validate(self) -> dict[str, float]:
        metrics: dict[str, Any] = {}
        if hasattr(self.model, "compute_losses"):
            metrics |= self._validation_metrics()
        if self._distance:
            metrics[FRECHET_DISTANCE] = self._distance.measure(self.model, self.seed)
        return {f"validation/{name}": float(value) for name, value in metrics.items()}

    @tf.function(autograph=False)
    def _validation_metrics(self) -> Losses:
        floats, seed = tf.constant(self.validation), (self.seed, 0)
        metrics = self.model.compute_losses(floats, seed)
        if hasattr(self.model, "latent_diagnostics"):
            metrics |= self.model.latent_diagnostics(floats)
        return metrics

    def _tell_pictures(self, step: int) -> None:
        for key, path in self._write_pictures(step):
            self.recorder.log_image(path, key, step)

    def _write_pictures(self, step: int) -> Iterator[tuple[str, Path]]:
        """Writes grids of samples from fixed latents and of reconstructions of fixed validation images."""
        number = self.job.training.num_pictures
        if hasattr(self.model, "sample"):
            yield "samples", self._write_grid("samples", step, self.model.sample(number, self.seed))
        if hasattr(self.model, "reconstruct"):
            rebuilt = self.model.reconstruct(self.validation[:number])
            yield "reconstructions", self._write_grid("reconstructions", step, rebuilt)

    def _write_grid(self, key: str, step: int, pictures: tf.Tensor) -> Path:
        path = self.job.work / "progress" / f"{key}_{step:06d}.png"
        arrays.write_png(path, arrays.grid(arrays.to_uint8(np.asarray(pictures))))
        return path

    def _add_histograms(self, step: int, histograms: dict[str, list[Any]]) -> None:
        if not hasattr(self.model, "posterior"):
            return
        mean, log_variance = self.model.posterior(self.validation)
        histograms["edges"] = HISTOGRAM_EDGES.tolist()
        for name, values in (("step", None), ("mean", mean), ("log_variance", log_variance)):
            rows = histograms.setdefault(name, [])
            if values is None:
                rows.append(step)
            else:
                clipped = np.clip(np.asarray(values), HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1])
                rows.append(np.histogram(clipped, HISTOGRAM_EDGES)[0].tolist())


class FrechetMonitor:
    """A cheap Fréchet distance: of as many samples as there are validation images, in the evaluation's features."""

    def __init__(self, features: Path, validation: np.ndarray):
        self.extractor = classifier.load(features)
        self.real = gaussians.moments(self.extractor.extract(validation).features)
        self.num_images = len(validation)

    def measure(self, model: Any, seed: int) -> float:
        """Returns the distance of samples from fixed latents to the validation images."""
        samples = arrays.to_uint8(np.asarray(model.sample(self.num_images, seed)))
        return gaussians.frechet_distance(
            self.real, gaussians.moments(self.extractor.extract(samples).features)
        )
