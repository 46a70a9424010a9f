"""Fits one model; its folder, its MLflow run."""

import dataclasses
import json
import os
import platform
import shlex
import shutil
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout
from tqdm import tqdm

from genlab import tracking, training
from genlab.networks import devices
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings.params import Params
from genlab.tracking.journal import Journal
from genlab.training import RECORDED, Job, Summary

HOLDER = "holder.json"
"""Who holds the lock beside it, or held it last: the lock alone counts."""
GRACE_SECONDS = 1.0
"""Within so much time a new holder has written who it is."""


def run(
    params: Params,
    name: str,
    images: Path,
    features: Path,
    out: Path,
    timings: Path,
    wait: bool = True,
) -> None:
    """Trains the model `name` on the images in `images` and writes it to `out`.

    A training that was finished before, here, with the same `train_key` is not repeated: its result is used.

    Args:
        params: All parameters.
        name: A model in `params.yaml: models`.
        images: The fetched data set.
        features: The feature extractor's folder.
        out: The trained model's folder; replaced as a whole.
        timings: A folder for `<name>.json`: seconds, speed, device, link. Not hashed by DVC.
        wait: Whether to wait where another process is at this very training, and then use its result.

    Raises:
        InputError: The training cannot be run, or another process is at it and `wait` is false.
    """
    job = training.prepare(params, name, images, features)
    if (
        not devices.is_chief()
    ):  # of several processes that train one model: it computes, the chief writes
        training.fit(job, training.NoRecorder())
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    with _lock(job, wait):
        if (job.folder / RECORDED).is_file() and not _is_open(job):
            tqdm.write(
                f"{name}: this very training is finished ({job.train_key}); using its result"
            )
        else:
            _train(job)
        with replacing(out) as building:
            shutil.copytree(job.folder / "result", building)
        with replacing(timings / f"{name}.json") as building:
            shutil.copyfile(job.folder / RECORDED, building)


def _lock(job: Job, wait: bool) -> AcquireReturnProxy:
    """Acquires the lock of this training, to be released by `with`, and writes down who holds it.

    The second of two equal trainings waits, then uses the result of the first.
    """
    lock = FileLock(job.folder / "lock")
    try:
        held = lock.acquire(timeout=GRACE_SECONDS)
    except Timeout:
        if not wait:
            raise InputError(
                f"{job.name} must be trained by one process at a time",
                str(_holder(job)),
                "Wait for its end, or leave out --no-wait",
            ) from None
        tqdm.write(f"{job.name}: {_holder(job)}; waiting for its result")
        held = lock.acquire()
    since, command = time.strftime("%Y-%m-%d %H:%M:%S"), shlex.join(["genlab", *sys.argv[1:]])
    note = {"process": os.getpid(), "host": platform.node(), "since": since, "command": command}
    with replacing(job.folder / HOLDER) as building:
        building.write_text(json.dumps(note))
    return held


def _holder(job: Job) -> str:
    try:
        note = json.loads((job.folder / HOLDER).read_text())
    except FileNotFoundError:
        return f"another process is at this very training ({job.train_key})"
    who = f"process {note['process']} on host {note['host']}"
    return f"{who} has been at this very training ({job.train_key}) since {note['since']}: {note['command']}"


def _is_open(job: Job) -> bool:
    """Says whether the run of a recorded training has no end, as a kill came before it; sends an end that waits."""
    for journal in Journal.all():
        with suppress(FileNotFoundError):  # sent and removed by another process
            if journal.start.get("training_id") == _training_id(job):
                if journal.status != "FINISHED":
                    return True
                tracking.Run(journal).flush()
    return False


def _train(job: Job) -> None:
    """Trains, and records all of it; what a kill left undone is done when it is called again."""
    progress.note(
        f"{job.name}: training, {job.steps} steps of {job.phases[0].images_per_step} images"
    )
    model, loop = job.settings.model_dump(mode="json"), job.training.model_dump(mode="json")
    with tracking.training_run(
        train_key=job.train_key,
        training_id=_training_id(job),
        name=job.name,
        run_name=f"{job.name} {job.description['name']} {job.train_key[:6]}",
        kind=job.settings.kind,
        params=model | {"training": loop, "seed": job.seed, "binarisation": job.binarisation},
        dataset=tracking.Dataset.of(job.description),
    ) as run:
        summary = training.fit(job, run)
        progress.note(
            f"{job.name}: trained in {summary.train_seconds:.0f} s, {summary.images_per_second:,.0f} images per second"
        )
        run.set_tags({"genlab.device": summary.device})
        speed = {
            "time/train_seconds": summary.train_seconds,
            "time/images_per_second": summary.images_per_second,
        }
        run.log_metrics(speed, step=0)
        run.log_artifact(job.folder / "result" / "history.csv")
        run.log_model(job.folder / "result")
        _record(job, summary, run.url)  # before the end: an ended run is never opened again
    _record(job, summary, run.url)


def _record(job: Job, summary: Summary, url: str | None) -> None:
    facts = dataclasses.asdict(summary) | {"run_url": url, "train_key": job.train_key}
    with replacing(job.folder / RECORDED) as building:
        building.write_text(json.dumps(facts, indent=2) + "\n")


def _training_id(job: Job) -> str:
    """Returns the id of this attempt, kept beside its checkpoints: a resumed training goes on in the same run."""
    path = job.folder / "training_id"
    if not path.is_file():
        with replacing(path) as building:
            building.write_text(uuid.uuid4().hex)
    return path.read_text()
