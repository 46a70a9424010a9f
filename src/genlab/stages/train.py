"""Fits one model; its folder, its MLflow run."""

import json
import shutil
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout
from tqdm import tqdm

from genlab import tracking, training
from genlab.images import read_description
from genlab.params import Params
from genlab.training import Job, Summary


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
        result = job.folder / "result"
        if result.is_dir():
            tqdm.write(f"{name}: this very training is finished ({job.train_key}); using its result")
        else:
            _train(job, timings)
        _replace(result, out)


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


def _train(job: Job, timings: Path) -> None:
    description = read_description(job.data)
    dataset = tracking.Dataset(
        name=description["name"],
        digest=description["sha256"],
        image_shape=tuple(description["image_shape"]),
        num_images=description["num_images"],
        source=description["citation"],
    )
    params = {"model": job.settings.model_dump(mode="json"), "training": job.training.model_dump(mode="json")}
    with tracking.training_run(
        train_key=job.train_key,
        training_id=_training_id(job),
        name=job.name,
        kind=job.settings.kind,
        params=params["model"] | {"training": params["training"], "seed": job.seed},
        dataset=dataset,
    ) as run:
        summary = training.fit(job, run)
        run.set_tags({"genlab.device": summary.device})
        speed = {"time/train_seconds": summary.train_seconds, "time/images_per_second": summary.images_per_second}
        run.log_metrics(speed, step=0)
        run.log_artifact(job.folder / "result" / "history.csv")
        run.log_model(job.folder / "result")
        _write_timings(timings / f"{job.name}.json", summary, run.url)


def _training_id(job: Job) -> str:
    """Returns the id of this attempt, kept beside its checkpoints: a resumed training goes on in the same run."""
    import uuid

    path = job.folder / "training_id"
    if not path.is_file():
        path.write_text(uuid.uuid4().hex)
    return path.read_text()


def _write_timings(path: Path, summary: Summary, url: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    timings = {
        "train_seconds": summary.train_seconds,
        "images_per_second": summary.images_per_second,
        "device": summary.device,
        "run_url": url,
    }
    path.write_text(json.dumps(timings, indent=2) + "\n")


def _replace(result: Path, out: Path) -> None:
    """Copies a finished result to `out` in one rename."""
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(result, building)
    shutil.rmtree(out, ignore_errors=True)
    building.rename(out)
