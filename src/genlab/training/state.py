"""All that a training has made so far: what goes into a checkpoint and comes out of it."""

import shutil
import time
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
    """The variables of networks and optimizers, the step, and the record of what was seen."""

    def __init__(self, job: Job, model: Model, optimizers: Optimizers):
        """Goes on from the newest checkpoint of `job`, if there is one."""
        self.job, self.model = job, model
        self.variables = [
            *model.variables,
            *(v for name in sorted(optimizers) for v in optimizers[name].variables),
        ]
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self.histograms: dict[str, list[Any]] = {}
        self.sums: dict[str, float] = {}
        """Of each loss, over the steps since the last row."""
        self.best_weights: list[np.ndarray] = self._weights() if job.settings.keep == "best" else []
        self.seconds_before = 0.0
        self._started = self._written_at = time.monotonic()
        self._restore()

    @property
    def seconds(self) -> float:
        """Seconds of training, those of the processes before this one included."""
        return self.seconds_before + time.monotonic() - self._started

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
        self.best_weights = values[len(self.variables) :]
        self.step, self.rows, self.sums = (
            checkpoint.step,
            checkpoint.record["rows"],
            checkpoint.record["sums"],
        )
        self.histograms, self.seconds_before = (
            checkpoint.record["histograms"],
            checkpoint.record["seconds"],
        )
        tqdm.write(f"{self.job.name}: going on from step {self.step} of {self.job.steps}")

    def add_row(self, row: dict[str, float]) -> None:
        """Adds what was seen at this step; keeps the weights where they are the best yet and that was asked for."""
        self.rows.append({"step": self.step} | row)
        self.sums = {}
        if (
            self.job.settings.keep == "best"
            and best.row(self.rows, self.job.settings) is self.rows[-1]
        ):
            self.best_weights = self._weights()

    @property
    def is_over(self) -> bool:
        """Whether all steps were made, or no validation got better for as long as early stopping waits."""
        return self.step >= self.job.steps or best.is_past(self.rows, self.job.settings)

    def steps_to_checkpoint(self) -> int:
        """Returns in how many steps `checkpoint_every_steps` wants the next one."""
        every = self.job.training.checkpoint_every_steps
        return every - self.step % every if every else self.job.steps

    def write_if_due(self) -> None:
        """Writes a checkpoint at multiples of `checkpoint_every_steps`, and where the last is as old as is allowed."""
        training = self.job.training
        by_step = (
            training.checkpoint_every_steps and self.step % training.checkpoint_every_steps == 0
        )
        by_time = time.monotonic() - self._written_at >= training.checkpoint_every_seconds
        if not (by_step or by_time) or not devices.is_chief():
            return
        values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]
        record = {
            "rows": self.rows,
            "histograms": self.histograms,
            "sums": self.sums,
            "seconds": self.seconds,
        }
        checkpoint = Checkpoint(self.step, values + self.best_weights, record)
        checkpoints.write(self.job.folder / "checkpoints", checkpoint)
        self._written_at = time.monotonic()

    def keep(self) -> dict[str, Any]:
        """Gives the model the weights that are kept, and says which they are and why."""
        settings = self.job.settings
        row = best.row(self.rows, settings)
        if settings.keep == "best":
            for variable, value in zip(self.model.variables, self.best_weights, strict=True):
                variable.assign(value)
        kept = row if settings.keep == "best" and row else self.rows[-1]
        return {
            "rule": settings.keep,
            "step": kept["step"],
            "monitor": settings.monitor,
            "value": kept.get(f"validation/{settings.monitor}"),
            "stopped_at": self.step,
        }
