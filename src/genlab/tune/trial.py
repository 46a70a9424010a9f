"""One trial, in a process of its own: trains, measures on validation images, tells the tuner. Knows no Optuna."""

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import threadpoolctl

from genlab import evaluation, tracking, training
from genlab.evaluation import Task
from genlab.features import classifier
from genlab.imaging.arrays import grid, write_png
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.training import Job
from genlab.tune.objective import Objective, Unmeasured

PICTURES = ("prior_samples", "fitted_samples", "originals", "reconstructions")
"""Grids that are kept, where the model and the objective give them."""
NUM_REPEATS = 2
"""Sets of generated images that a trial is scored on."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one process is to do.

    Attributes:
        params: All parameters, with the settings to try in the model's entry.
        name: The model.
        images: The fetched data set.
        features: The feature extractor's folder.
        splits: Measured on.
        prune_by: The validation metric that is reported on the way; None: nothing is.
        run_name: Of the MLflow run: `trial 7`.
        training_id: With the same one a run that was cut off goes on.
        experiment: MLflow's.
        parent: The study's MLflow run, where there is one.
        tags: Of the run.
        share: Which share of the machine this is, and of how many.
        log: What the process prints.
        is_trial: What it keeps is its own, since two may have equal settings; a training in full may be the pipeline's.
        objectives: Logged beside what they are made of, once it is measured.
        pictures: A folder for the grids of samples and reconstructions on the last split; None: the training's own.
    """

    params: Params
    name: str
    images: Path
    features: Path
    splits: tuple[str, ...]
    prune_by: str | None
    run_name: str
    training_id: str
    experiment: str
    parent: str | None
    tags: Mapping[str, str]
    share: tuple[int, int]
    log: Path
    is_trial: bool
    pictures: Path | None = None
    objectives: tuple[Objective, ...] = ()


class Pruned(Exception):  # noqa: N818 - no error
    """The tuner ends this trial: it is worse than others were at the same step."""


def run(order: Order, connection: Connection, alive: Connection) -> None:
    """Does what `order` says, and sends what came of it.

    Sends `("begun", train_key)` and `("report", step, value)`, is answered to the latter whether to go on, and ends
    with `("done", values)`, `("pruned", None)` or `("failed", reason)`. Dies with the tuner: at the end of `alive`.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C in a terminal is for the tuner, which ends this process
    threading.Thread(target=_die_with_the_tuner, args=(alive,), daemon=True).start()
    _print_to(order.log)
    devices.take_share(*order.share)
    threads = max(1, (os.cpu_count() or 1) // order.share[1])
    with threadpoolctl.threadpool_limits(threads), tracking.children_of(order.parent):
        connection.send(_result(order, connection))


def _die_with_the_tuner(alive: Connection) -> None:
    try:
        alive.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _print_to(log: Path) -> None:
    """Sends all that is printed to a file: several trials share one terminal."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def _result(order: Order, connection: Connection) -> tuple[str, Any]:
    try:
        return _train_and_measure(order, connection)
    except (InputError, FloatingPointError) as error:
        return "failed", " ".join(str(error).split())
    except Exception as error:  # whatever it is: the study goes on, and the log has the traceback
        import traceback

        traceback.print_exc()
        out_of_memory = type(error).__name__ == "ResourceExhaustedError" or isinstance(
            error, MemoryError
        )
        return "failed", "out of memory" if out_of_memory else tracking.one_line(error)


class _Recorder:
    """Tells MLflow of all, and the tuner of what it prunes by."""

    def __init__(self, order: Order, run: tracking.Run, connection: Connection):
        self._run, self._connection, self._key = run, connection, f"validation/{order.prune_by}"

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Logs; asks the tuner whether to go on where the metric is among them."""
        self._run.log_metrics(metrics, step)
        if self._key in metrics:
            self._connection.send(("report", step, metrics[self._key]))
            if not self._connection.recv():
                raise Pruned

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Logs."""
        self._run.log_image(path, key, step)


def _prepare(order: Order) -> Job:
    """Returns the job; what a trial keeps is its own, since two may have equal settings."""
    job = training.prepare(order.params, order.name, order.images, order.features)
    if not order.is_trial:
        return job
    own = hashlib.sha256(f"{job.train_key} {order.training_id}".encode()).hexdigest()[:32]
    return replace(job, train_key=own)


def _train_and_measure(order: Order, connection: Connection) -> tuple[str, Any]:
    job = _prepare(order)
    connection.send(("begun", job.train_key))
    facts = job.settings.model_dump(mode="json") | {"seed": job.seed}
    shown = tracking.Training(
        train_key=job.train_key,
        training_id=order.training_id,
        name=order.name,
        kind=job.settings.kind,
        params=facts,
        data=job.description,
        tags=order.tags,
        experiment=order.experiment,
        run_name=order.run_name,
    )
    with tracking.training_run(shown) as run:
        begun = time.monotonic()
        try:
            summary = training.fit(job, _Recorder(order, run, connection))
        except Pruned:
            run.set_tags({"genlab.trial_state": "pruned"})
            return "pruned", None
        devices.configure("float32", job.training.deterministic)
        started = time.monotonic()
        values = {"train_seconds": summary.train_seconds, "fit_seconds": started - begun}
        for split in order.splits:
            values |= _measure(order, job, split, run)
        values["measure_seconds"] = time.monotonic() - started
        run.log_metrics(values | _objectives(order, values), step=job.settings.steps)
        run.set_tags({"genlab.trial_state": "complete"})
    return "done", values


def _objectives(order: Order, values: dict[str, float]) -> dict[str, float]:
    """Returns `objective`, or several as `objective_1` and so on; none where one has no value."""
    names = (
        ["objective"]
        if len(order.objectives) == 1
        else [f"objective_{n + 1}" for n in range(len(order.objectives))]
    )
    try:
        return {name: each.of(values) for name, each in zip(names, order.objectives, strict=True)}
    except Unmeasured:
        return {}


def _measure(order: Order, job: Job, split: str, run: tracking.Run) -> dict[str, float]:
    """Returns the scores on one split, and keeps pictures; shows samples of a model that has no prior, too."""
    trained, extractor = trained_model.load(job.folder / "result"), classifier.load(order.features)
    seed = seeds.derive(order.params.seed, "evaluate")
    task = Task(trained, extractor, order.images, order.params, seed, split=split)
    scores = evaluation.measure(task)
    if rebuilt := len(scores.pictures.get("reconstructions", ())):
        scores.pictures["originals"] = trained.as_seen(task.real.images[:rebuilt])
    for name, pictures in scores.pictures.items():
        path = (order.pictures or job.folder) / f"{name}.png"
        if name in PICTURES:
            write_png(path, grid(pictures))
        if name.endswith("_samples"):
            run.log_image(path, "samples", job.settings.steps)
    if scores.skipped:
        print(json.dumps(scores.skipped, indent=2), flush=True)
    return scores.values()
