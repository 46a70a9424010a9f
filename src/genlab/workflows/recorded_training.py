"""One training with everything around it: one process at a time, an MLflow run, a model's folder.

Of two equal trainings the second waits and uses the result of the first. After a kill the next call
completes what is missing, in the same run.
"""

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
from genlab.runtime.files import check_free, replacing
from genlab.tracking.journal import Journal
from genlab.training import RECORDED, Job, Summary, result

HOLDER = "holder.json"
"""Beside the lock: who holds it, or held it last. Only the lock counts."""
GRACE_SECONDS = 1.0
"""A new holder needs less time to write who it is."""


def run(job: Job, out: Path, timings: Path, wait: bool = True) -> None:
    """Trains a model and writes it to `out`, or uses the result of an equal training.

    Args:
        job: The training.
        out: The trained model's folder; replaced as a whole.
        timings: A folder for `<name>.json`: seconds, speed, device, link. Not hashed by DVC.
        wait: Whether to wait if another process runs an equal training, and then use its result.

    Raises:
        InputError: The training cannot be run, another process runs it and `wait` is false, or
            `out` holds something else.
    """
    check_free(out, result.KIND)
    if not devices.is_chief():  # of the processes that train one model together, the chief writes
        training.fit(job, training.NoRecorder())
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    with _lock(job, wait):
        if (job.folder / RECORDED).is_file() and not _is_open(job):
            done = f"this very training is finished ({job.train_key}); using its result"
            tqdm.write(f"{job.name}: {done}")
        else:
            _train(job)
        with replacing(out, result.KIND) as building:
            shutil.copytree(job.folder / "result", building)
        with replacing(timings / f"{job.name}.json") as building:
            shutil.copyfile(job.folder / RECORDED, building)


def _lock(job: Job, wait: bool) -> AcquireReturnProxy:
    """Acquires this training's lock, for a `with` statement, and notes the holder beside it."""
    lock = FileLock(job.folder / "lock")
    try:
        proxy = lock.acquire(timeout=GRACE_SECONDS)
    except Timeout:
        if not wait:
            expected = f"{job.name} must be trained by one process at a time"
            where = "Wait for its end, or leave out --no-wait"
            raise InputError(expected, _holder(job), where) from None
        tqdm.write(f"{job.name}: {_holder(job)}; waiting for its result")
        proxy = lock.acquire()
    note = {
        "process": os.getpid(),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join(["genlab", *sys.argv[1:]]),
    }
    with replacing(job.folder / HOLDER) as building:
        building.write_text(json.dumps(note))
    return proxy


def _holder(job: Job) -> str:
    what = f"at this very training ({job.train_key})"
    try:
        note = json.loads((job.folder / HOLDER).read_text())
    except FileNotFoundError:
        return f"another process is {what}"
    who = f"process {note['process']} on host {note['host']}"
    return f"{who} has been {what} since {note['since']}: {note['command']}"


def _is_open(job: Job) -> bool:
    """Returns whether the run of a recorded training has no end because of a kill.

    Sends an end that was not sent yet.
    """
    for journal in Journal.all():
        with suppress(FileNotFoundError):  # another process sent and removed it
            if journal.start.get("training_id") == _training_id(job):
                if journal.status != "FINISHED":
                    return True
                tracking.Run(journal).flush()
    return False


def _train(job: Job) -> None:
    """Trains and records everything. A second call completes what a kill left undone."""
    images = f"{job.steps} steps of {job.phases[0].images_per_step} images"
    progress.note(f"{job.name}: training, {images}")
    with tracking.training_run(_shown(job)) as run:
        summary = training.fit(job, run)
        seconds, speed = summary.train_seconds, summary.images_per_second
        progress.note(f"{job.name}: trained in {seconds:.0f} s, {speed:,.0f} images per second")
        run.set_tags({"genlab.device": summary.device})
        run.log_metrics({"time/train_seconds": seconds, "time/images_per_second": speed}, step=0)
        run.log_artifact(job.folder / "result" / "history.csv")
        run.log_model(job.folder / "result")
        _record(job, summary, run.url)  # before the end: an ended run is never reopened
    _record(job, summary, run.url)


def _shown(job: Job) -> tracking.TrainingRecord:
    model, loop = job.settings.model_dump(mode="json"), job.training.model_dump(mode="json")
    return tracking.TrainingRecord(
        train_key=job.train_key,
        training_id=_training_id(job),
        name=job.name,
        run_name=f"{job.name} {job.description['name']} {job.train_key[:6]}",
        kind=job.settings.kind,
        params=model | {"training": loop, "seed": job.seed, "binarisation": job.binarisation},
        data=job.description,
    )


def _record(job: Job, summary: Summary, url: str | None) -> None:
    facts = dataclasses.asdict(summary) | {"run_url": url, "train_key": job.train_key}
    with replacing(job.folder / RECORDED) as building:
        building.write_text(json.dumps(facts, indent=2) + "\n")


def _training_id(job: Job) -> str:
    """Returns the id of this attempt, kept beside its checkpoints: it resumes in the same run."""
    path = job.folder / "training_id"
    if not path.is_file():
        with replacing(path) as building:
            building.write_text(uuid.uuid4().hex)
    return path.read_text()
