"""One trial, in its own process, without Optuna: it trains, measures and tells the tuner."""

import hashlib
import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import threadpoolctl

from genlab import evaluation, tracking, training
from genlab.evaluation import Task
from genlab.features import judges
from genlab.imaging.arrays import grid, write_png
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.training import Job, Pause
from genlab.tune.objective import TRAIN_SECONDS, Objective, Unmeasured

PICTURES = ("prior_samples", "fitted_samples", "originals", "reconstructions")
"""Grids that are kept, if the model and the objective give them."""
NUM_REPEATS = 2
"""Sets of generated images that a trial is scored on."""


class Stage(NamedTuple):
    """A part of a training that has settings of its own."""

    params: Params
    pause: Pause


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """What one process does.

    Attributes:
        params: All parameters, with the settings to try in the entry of the model `name`.
        training_id: A killed training with the same one continues.
        parent: The study's MLflow run, if it has one.
        share: Which share of the machine this is, and of how many.
        prune_by: The validation metric to report during training; None: nothing is reported.
        own_by: Parameters that name the training, together with its `training_id`: a trial's is
            its own, since two trials may have equal settings, and one may change its settings.
            None: the training is the pipeline's too.
        settings: What a part of a trial tries, which may be other settings than the part before.
        stages: What comes before: other settings, each up to a pause.
        pause: Up to where a part of a training goes; None: to its end.
        pictures: A folder for the grids of the last split; None: the training's own.
    """

    params: Params
    name: str
    images: Path
    features: Path
    run_name: str
    training_id: str
    experiment: str
    parent: str | None
    tags: Mapping[str, str]
    share: tuple[int, int]
    log: Path
    splits: tuple[str, ...] = ("validation",)
    prune_by: str | None = None
    own_by: Params | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    pause: Pause | None = None
    pictures: Path | None = None
    objectives: tuple[Objective, ...] = ()


class Pruned(Exception):  # noqa: N818 - no error
    """The tuner ends this trial: others were better at the same step."""


def run(order: TrialOrder, connection: Connection, alive: Connection) -> None:
    """Does what `order` says, and sends messages.

    First `("begun", train_key)`; then any number of `("report", step, value)`, each answered with
    whether to go on; last `("done", values)`, `("pruned",)` or `("failed", None, reason)`. The
    process ends with the tuner: at the end of `alive`. It ignores Ctrl-C, which is the tuner's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    """Sends everything printed to a file: several trials share one terminal."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def _result(order: TrialOrder, connection: Connection) -> tuple[Any, ...]:
    """Returns the last message. Whatever fails, the study goes on; the log has the traceback."""
    try:
        return _train_and_measure(order, connection)
    except (InputError, FloatingPointError) as error:
        return "failed", None, " ".join(str(error).split())
    except Exception as error:
        traceback.print_exc()
        is_full = isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)
        return "failed", None, "out of memory" if is_full else tracking.one_line(error)


class _Recorder:
    """Sends everything to MLflow, and to the tuner the metric that it prunes by."""

    def __init__(self, order: TrialOrder, run: tracking.Run, connection: Connection):
        self._run = run
        self._connection = connection
        self._key = f"validation/{order.prune_by}"

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Logs; if the metric is there, asks the tuner whether to go on."""
        self._run.log_metrics(metrics, step)
        if self._key in metrics:
            self._connection.send(("report", step, metrics[self._key]))
            if not self._connection.recv():
                raise Pruned

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Logs."""
        self._run.log_image(path, key, step)


def _prepare(order: TrialOrder) -> Job:
    selection = order.features / judges.SELECTION
    job = training.prepare(order.params, order.name, order.images, selection)
    if not order.own_by:
        return job
    named = training.prepare(order.own_by, order.name, order.images, selection).train_key
    own = hashlib.sha256(f"{named} {order.training_id}".encode()).hexdigest()[:32]
    return replace(job, train_key=own)


def _train_and_measure(order: TrialOrder, connection: Connection) -> tuple[Any, ...]:
    job = _prepare(order)
    connection.send(("begun", job.train_key))
    shown = tracking.TrainingRecord(
        train_key=job.train_key,
        training_id=order.training_id,
        name=order.name,
        kind=job.settings.kind,
        params=job.settings.model_dump(mode="json") | {"seed": job.seed},
        data=job.description,
        tags=order.tags,
        experiment=order.experiment,
        run_name=order.run_name,
    )
    with tracking.training_run(shown) as run:
        begun = time.monotonic()
        try:
            recorder = _Recorder(order, run, connection)
            for stage in order.stages:
                training.fit(_prepare(replace(order, params=stage.params)), recorder, stage.pause)
            summary = training.fit(job, recorder, order.pause)
        except Pruned:
            run.set_tags({"genlab.trial_state": "pruned"})
            return ("pruned",)
        devices.configure("float32", job.training.deterministic)
        fitted = time.monotonic()
        values = {TRAIN_SECONDS: summary.train_seconds, "fit_seconds": fitted - begun}
        for split in order.splits:
            values |= _measure(order, job, split, run)
        values["measure_seconds"] = time.monotonic() - fitted
        step = order.pause.step if order.pause else job.steps
        run.log_metrics(values | _objectives(order, values), step)
        run.log_metrics(_numbers(order.settings), step)
        if step < job.steps:
            run.status_at_end = "SCHEDULED"
        run.set_tags({"genlab.trial_state": "paused" if step < job.steps else "complete"})
    return "done", values


def _numbers(settings: Mapping[str, Any]) -> dict[str, float]:
    """Returns settings as metrics: a run's parameters cannot change, and a population's do."""
    numbers = {name: value for name, value in settings.items() if isinstance(value, int | float)}
    return {f"settings/{name}": float(value) for name, value in numbers.items()}


def _objectives(order: TrialOrder, values: dict[str, float]) -> dict[str, float]:
    """Returns `objective`, or `objective_1` and so on; nothing if a metric of one has no value."""
    is_one = len(order.objectives) == 1
    try:
        return {
            "objective" if is_one else f"objective_{number}": objective.of(values)
            for number, objective in enumerate(order.objectives, start=1)
        }
    except Unmeasured:
        return {}


def _measure(order: TrialOrder, job: Job, split: str, run: tracking.Run) -> dict[str, float]:
    """Returns the scores on one split, and writes pictures."""
    trained = trained_model.load(job.folder / "result")
    panel = judges.load(order.features / judges.role_for(split))
    seed = seeds.derive(order.params.seed, "evaluate")
    task = Task(trained, panel, order.images, order.params, seed, split=split)
    scores = evaluation.measure(task)
    for name, images in scores.pictures.items():
        path = (order.pictures or job.folder) / f"{name}.png"
        if name in PICTURES:
            write_png(path, grid(images))
        if name.endswith("_samples"):
            run.log_image(path, "samples", job.steps)
    if scores.skipped:
        print(json.dumps(scores.skipped, indent=2), flush=True)
    return scores.values()
