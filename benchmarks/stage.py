"""The real stage `train`, in a repository root of its own: `python -m benchmarks.stage vae`.

Nothing is switched off: the loop, validation, logging to an MLflow store, pictures. The steady
speed is read from the run: each row of metrics has the time at which it was logged. A short
training before it tells the first step's seconds and how many steps fit into the time. Variant:
parameters of the section `training` as `name=value`, joined by `+`.
"""

import json
import math
import os
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import tensorflow as tf  # noqa: F401 - the time of its import is not that of the first step

from benchmarks import timing, workloads
from benchmarks.contestant import Task, main
from genlab.stages import train

TRIAL_STEPS = 60
SAMPLING_SECONDS = 0.02
MEGABYTE = 2**20
SMALL_DENSITY = {"density_components": 1, "density_images": 100}
"""Fitting the density belongs to no step."""


class Row(NamedTuple):
    """A logged step, and when it was logged, in seconds since 1970."""

    step: int
    at: float


class Samples:
    """Samples of this process: its largest anonymous memory and its time on the cores.

    Pages of mapped files are the kernel's cache, not anonymous memory.
    """

    def __init__(self) -> None:
        self.peak_anonymous = 0.0
        self._cpu: list[tuple[float, float]] = []
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            self.peak_anonymous = max(self.peak_anonymous, megabytes("RssAnon"))
            self._cpu.append((time.time(), time.process_time()))
            time.sleep(SAMPLING_SECONDS)

    def cpu_seconds(self, since: float, until: float) -> float:
        """Returns the seconds on the cores between two times, in seconds since 1970."""
        first, last = np.interp([since, until], *np.transpose(self._cpu))
        return float(last - first)


def megabytes(name: str) -> float:
    """Returns an entry of `/proc/self/status`; 0 if there is none."""
    status = Path("/proc/self/status")
    text = status.read_text() if status.is_file() else ""
    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 / MEGABYTE if match else 0.0


def run(task: Task) -> dict[str, Any]:
    """Trains twice and measures the second training; the first one times the first step.

    It ends when the step is logged: making the MLflow store and the first picture are in it.
    """
    samples, changes = Samples(), training_changes(task)
    with tempfile.TemporaryDirectory(prefix="genlab-benchmark-") as root:
        enter(Path(root))
        trial, rows = train_once(task, Path(root), TRIAL_STEPS, changes)
        first_step_seconds = rows[0].at - (time.time() - time.perf_counter() + task.started)
        steps_per_second = (rows[-1].step - rows[0].step) / (rows[-1].at - rows[0].at)
        period = period_of(task.model, changes)
        num_periods = math.ceil(task.seconds * steps_per_second / period)
        watch = timing.Watch()
        facts, rows = train_once(task, Path(root), (num_periods + 1) * period + 1, changes)
        others_share = watch.speed(0)["others_share"]
    first, last = whole_periods(rows, period)
    seconds = last.at - first.at
    return {
        "first_step_seconds": first_step_seconds,
        "first_call_seconds": trial.get("first_call_seconds"),
        "images_per_second": (last.step - first.step) * task.batch_size / seconds,
        "seconds": seconds,
        "cpu_seconds": samples.cpu_seconds(first.at, last.at),
        "others_share": others_share,
        "images_per_second_reported": facts["images_per_second"],
        "peak_anonymous_megabytes": samples.peak_anonymous,
        "peak_megabytes": megabytes("VmHWM"),
    }


def enter(root: Path) -> None:
    """Makes `root` the repository's root, with an MLflow store of its own."""
    os.environ["DVC_ROOT"] = str(root)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        os.environ.pop(name, None)
    os.chdir(root)


def period_of(model: str, loop: dict[str, Any]) -> int:
    """Returns after how many steps the same things happen again; the GAN validates nothing."""
    return loop["log_every_steps"] if model == "gan" else loop["validate_every_steps"]


def training_changes(task: Task) -> dict[str, Any]:
    """Returns changes of the section `training`: the variant's, and what makes a short training.

    Pictures are made at the first and the last step only: the few of a real training are spread
    over all of it, and the part `overhead` has all of them. Logging and validation are as often
    per image as with the default batch size.
    """
    loop = workloads.parameters(task.model).training
    factor = workloads.BATCH_SIZE / task.batch_size
    variant = dict(word.split("=") for word in task.variant.split("+") if word)
    return {
        "precision": task.precision,
        "num_picture_times": 2,
        "log_every_steps": max(1, int(loop.log_every_steps * factor)),
        "validate_every_steps": max(1, int(loop.validate_every_steps * factor)),
        **SMALL_DENSITY,
    } | {name: json.loads(value) for name, value in variant.items()}


def train_once(
    task: Task, root: Path, steps: int, changes: dict[str, Any]
) -> tuple[dict[str, Any], list[Row]]:
    """Runs the stage; returns its record, and each logged step with its time."""
    params = workloads.parameters(task.model, changes, batch_size=task.batch_size, steps=steps)
    out, timings = root / "models" / task.model, root / "timings"
    train.run(params, task.model, train.TrainPaths(task.data, root / "no-features", out, timings))
    facts = json.loads((timings / f"{task.model}.json").read_text())
    return facts, logged_steps(root, facts["train_key"])


def logged_steps(root: Path, train_key: str) -> list[Row]:
    """Returns each logged step of a training's run, with its time in seconds since 1970."""
    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.`genlab.train_key` = '{train_key}'")
    name = next(name for name in sorted(run.data.metrics) if name.startswith("train/"))
    history = client.get_metric_history(run.info.run_id, name)
    return sorted(Row(metric.step, metric.timestamp / 1000) for metric in history)


def whole_periods(rows: list[Row], period: int) -> tuple[Row, Row]:
    """Returns the rows between which the speed is steady: the first and the last end of a period.

    The first period is the warm-up; after the last one comes the last step, with its pictures.
    """
    ends = [row for row in rows if row.step % period == 0]
    return ends[0], ends[-1]


if __name__ == "__main__":
    main(run)
