"""Fits one model; its folder, its MLflow run."""

import dataclasses
import json
import shutil
import uuid
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout
from tqdm import tqdm

from genlab import tracking, training
from genlab.files import replacing
from genlab.params import Params
from genlab.training import Job

RECORDED = "recorded.json"
"""Time, speed, device and link of a training whose result and run are complete."""


def run(params: Params, name: str, images: Path, out: Path, timings: Path) -> None:
    """Trains the model `name` on the images in `images` and writes it to `out`.

    A training that was finished before, here, with the same `train_key` is not repeated: its result is used.

    Args:
        params: All parameters.
        name: A model in `params.yaml: models`.
        images: The fetched data set.
        out: The trained model's folder; replaced as a whole.
        timings: A folder for `<name>.json`: seconds, speed, device, link. Not hashed by DVC.
    """
    job = training.prepare(params, name, images)
    job.folder.mkdir(parents=True, exist_ok=True)
    with _lock(job):
        if (job.folder / RECORDED).is_file():
            tqdm.write(f"{name}: this very training is finished ({job.train_key}); using its result")
        else:
            _train(job)
        with replacing(out) as building:
            shutil.copytree(job.folder / "result", building)
        timings.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.folder / RECORDED, timings / f"{name}.json")


def _lock(job: Job) -> AcquireReturnProxy:
    """Acquires the lock of this training, to be released by `with`.

    The second of two equal trainings waits, then uses the result of the first.
    """
    lock = FileLock(job.folder / "lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        tqdm.write(f"{job.name}: another process is at this very training ({job.train_key}); waiting for its result")
        return lock.acquire()


def _train(job: Job) -> None:
    """Trains, and records all of it; what a kill left undone is done when it is called again."""
    model, loop = job.settings.model_dump(mode="json"), job.training.model_dump(mode="json")
    with tracking.training_run(
        train_key=job.train_key,
        training_id=_training_id(job),
        name=job.name,
        kind=job.settings.kind,
        params=model | {"training": loop, "seed": job.seed},
        dataset=_dataset(job),
    ) as run:
        summary = training.fit(job, run)
        run.set_tags({"genlab.device": summary.device})
        speed = {"time/train_seconds": summary.train_seconds, "time/images_per_second": summary.images_per_second}
        run.log_metrics(speed, step=0)
        run.log_artifact(job.folder / "result" / "history.csv")
        run.log_model(job.folder / "result")
    facts = dataclasses.asdict(summary) | {"run_url": run.url, "train_key": job.train_key}
    with replacing(job.folder / RECORDED) as building:
        building.write_text(json.dumps(facts, indent=2) + "\n")


def _dataset(job: Job) -> tracking.Dataset:
    return tracking.Dataset(
        name=job.description["name"],
        digest=job.description["sha256"],
        image_shape=job.image_shape,
        num_images=job.description["num_images"],
        source=job.description["citation"],
    )


def _training_id(job: Job) -> str:
    """Returns the id of this attempt, kept beside its checkpoints: a resumed training goes on in the same run."""
    path = job.folder / "training_id"
    if not path.is_file():
        with replacing(path) as building:
            building.write_text(uuid.uuid4().hex)
    return path.read_text()
