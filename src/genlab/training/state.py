"""The state of a training: everything that goes into a checkpoint."""

import shutil
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from genlab.contract.steps import Model, Optimizers
from genlab.networks import devices
from genlab.training import best, checkpoints
from genlab.training.checkpoints import Checkpoint
from genlab.training.job import Job


class State:
    """The variables of networks and optimizers, the step, and the record so far."""

    def __init__(self, job: Job, model: Model, optimizers: Optimizers):
        """Continues from the newest checkpoint of `job`, if there is one."""
        self.job = job
        self.model = model
        self.variables = list(model.variables)
        for name in sorted(optimizers):
            self.variables += optimizers[name].variables
        self._rates = [of.learning_rate for of in optimizers.values()]
        self._built_rates = _constants(self._rates)
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self.histograms: dict[str, list[Any]] = {}
        self.sums: dict[str, float] = {}
        """Sums of the losses over the steps since the last row."""
        self.best_weights: list[np.ndarray] = self._weights() if job.settings.keep == "best" else []
        self.seconds_before = 0.0
        self._started_at = time.monotonic()
        self._written_at = self._started_at
        self._restore()

    @property
    def seconds(self) -> float:
        """Seconds of training, including those of earlier processes."""
        return self.seconds_before + time.monotonic() - self._started_at

    def _weights(self) -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(variable) for variable in self.model.variables]

    def _restore(self) -> None:
        like = [*self.variables, *self.best_weights]
        checkpoint = checkpoints.read_newest(self.job.folder / "checkpoints", like)
        if checkpoint is None:
            shutil.rmtree(self.job.work, ignore_errors=True)
            return
        values = checkpoint.variables
        for variable, value in zip(self.variables, values[: len(self.variables)], strict=True):
            variable.assign(value)
        self._set_rates(checkpoint.record["rates"])
        self.best_weights = values[len(self.variables) :]
        self.step = checkpoint.step
        self.rows = checkpoint.record["rows"]
        self.sums = checkpoint.record["sums"]
        self.histograms = checkpoint.record["histograms"]
        self.seconds_before = checkpoint.record["seconds"]
        tqdm.write(f"{self.job.name}: going on from step {self.step} of {self.job.steps}")

    def _set_rates(self, former: list[float | None]) -> None:
        """Gives the optimizers the settings' learning rates if the checkpoint's were others.

        Keras keeps a constant rate in a variable; it is a setting all the same.
        """
        for rate, built, other in zip(self._rates, self._built_rates, former, strict=True):
            if built is not None and built != other:
                rate.assign(built)

    def add_row(self, row: dict[str, float]) -> None:
        """Adds the metrics of this step; with `keep: best` saves the weights if they are best."""
        self.rows.append({"step": self.step} | row)
        self.sums = {}
        settings = self.job.settings
        if settings.keep == "best" and best.row(self.rows, settings) is self.rows[-1]:
            self.best_weights = self._weights()

    @property
    def is_over(self) -> bool:
        """Whether all steps are made, or early stopping has lost patience."""
        return self.step >= self.job.steps or best.is_past(self.rows, self.job.settings)

    def steps_to_checkpoint(self) -> int:
        """Returns the number of steps to the next multiple of `checkpoint_every_steps`."""
        interval = self.job.training.checkpoint_every_steps
        return interval - self.step % interval if interval else self.job.steps

    def write_if_due(self) -> None:
        """Writes a checkpoint after `checkpoint_every_steps` or `checkpoint_every_seconds`."""
        training = self.job.training
        interval = training.checkpoint_every_steps
        is_due = interval is not None and self.step % interval == 0
        is_due |= time.monotonic() - self._written_at >= training.checkpoint_every_seconds
        if is_due and devices.is_chief():
            self.write()

    def pause(self) -> None:
        """Writes a checkpoint, the only one: a paused training waits, and the disk is small."""
        self.write()
        checkpoints.drop_earlier(self.job.folder / "checkpoints")

    def write(self) -> None:
        """Writes a checkpoint."""
        values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]
        record = {
            "rows": self.rows,
            "histograms": self.histograms,
            "sums": self.sums,
            "seconds": self.seconds,
            "rates": self._built_rates,
        }
        checkpoint = Checkpoint(self.step, values + self.best_weights, record)
        checkpoints.write(self.job.folder / "checkpoints", checkpoint)
        self._written_at = time.monotonic()

    def choose_weights(self) -> dict[str, Any]:
        """Gives the model the weights that `keep` asks for, and describes the choice."""
        settings = self.job.settings
        row = best.row(self.rows, settings)
        if settings.keep == "best":
            for variable, value in zip(self.model.variables, self.best_weights, strict=True):
                variable.assign(value)
        choice = row if settings.keep == "best" and row else self.rows[-1]
        return {
            "rule": settings.keep,
            "step": choice["step"] if settings.keep == "best" else self.step,
            "monitor": settings.monitor,
            "value": choice.get(f"validation/{settings.monitor}"),
            "stopped_at": self.step,
        }


def _constants(rates: Sequence[Any]) -> list[float | None]:
    """Returns the learning rates; None for one that follows a schedule, which is no variable."""
    return [
        float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else None
        for rate in rates
    ]
