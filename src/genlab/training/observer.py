"""What is looked at during training, and when: losses, validation, pictures from fixed latents, latent histograms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from genlab import images, seeds
from genlab.networks import Losses
from genlab.training.job import Job

HISTOGRAM_EDGES = np.linspace(-8.0, 8.0, 81)


class Recorder(Protocol):
    """Who is told of metrics and pictures on the way."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Takes the metrics after `step` steps."""

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Takes a picture, PNG, made after `step` steps."""


def geometric_steps(steps: int, times: int) -> list[int]:
    """Returns at most `times` steps from 1 to `steps`, geometrically spaced: the early ones show the learning."""
    return sorted({round(steps ** (index / (times - 1))) for index in range(times)})


class Observer:
    """Looks at a model at fixed steps; what it sees depends on the step alone, not on when the run was killed."""

    def __init__(self, job: Job, model: Any, work: Path, recorder: Recorder):
        self.job, self.model, self.work, self.recorder = job, model, work, recorder
        training, steps = job.training, job.settings.steps
        self.picture_steps = set(geometric_steps(steps, training.num_picture_times))
        self.validation_steps = {*range(0, steps, training.validate_every_steps), steps}
        self.log_steps = {*range(0, steps, training.log_every_steps), steps}
        validation = images.read_split(job.data, "validation").images[: training.num_validation_images]
        self.validation = images.to_float(validation)
        self.seed = seeds.derive(job.seed, "validation")

    def stops_after(self, step: int) -> list[int]:
        """Returns the steps, later than `step`, after which the compiled loop pauses."""
        return sorted(stop for stop in self.picture_steps | self.validation_steps | self.log_steps if stop > step)

    def look(self, step: int, train_row: dict[str, float], histograms: dict[str, list[Any]]) -> dict[str, float]:
        """Returns the validation metrics where they are due after `step`; tells the recorder of all that is new."""
        row = self._validate() if step in self.validation_steps else {}
        if step in self.picture_steps:
            for key, path in self._write_pictures(step):
                self.recorder.log_image(path, key, step)
            self._add_histograms(step, histograms)
        self.recorder.log_metrics(train_row | row, step)
        return row

    def _validate(self) -> dict[str, float]:
        if not hasattr(self.model, "compute_losses"):
            return {}
        return {f"validation/{name}": float(value) for name, value in self._validation_metrics().items()}

    @tf.function(autograph=False)
    def _validation_metrics(self) -> Losses:
        floats, seed = tf.constant(self.validation), (self.seed, 0)
        metrics = self.model.compute_losses(floats, seed)
        if hasattr(self.model, "latent_diagnostics"):
            metrics |= self.model.latent_diagnostics(floats)
        return metrics

    def _write_pictures(self, step: int) -> Iterator[tuple[str, Path]]:
        """Writes grids of samples from fixed latents and of reconstructions of fixed validation images."""
        number = self.job.training.num_pictures
        if hasattr(self.model, "sample"):
            yield "samples", self._write_grid("samples", step, self.model.sample(number, self.seed))
        if hasattr(self.model, "reconstruct"):
            rebuilt = self.model.reconstruct(self.validation[:number])
            yield "reconstructions", self._write_grid("reconstructions", step, rebuilt)

    def _write_grid(self, key: str, step: int, pictures: tf.Tensor) -> Path:
        path = self.work / "progress" / f"{key}_{step:06d}.png"
        images.write_png(path, images.grid(images.to_uint8(np.asarray(pictures))))
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
