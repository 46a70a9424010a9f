"""The trained model on disk. Equal trainings write equal bytes, which DVC hashes."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import genlab
from genlab.contract.capabilities import Encodes, HasPosterior
from genlab.contract.fields import spec_to_json
from genlab.contract.steps import Model
from genlab.imaging import arrays, binarisation
from genlab.networks import devices
from genlab.numerics import density
from genlab.runtime.errors import InputError
from genlab.runtime.files import FolderKind, check_room, replacing, sync
from genlab.settings import seeds
from genlab.training.job import RECORDED, Job, folder_of
from genlab.training.state import State

KIND = FolderKind(
    "a trained model",
    (
        "settings.json",
        "model.weights.h5",
        "history.csv",
        "histograms.npz",
        "density.npz",
        "progress/*.png",
    ),
)


def write(job: Job, model: Model, state: State) -> None:
    """Writes the whole trained model to `<job.folder>/result`."""
    choice = state.choose_weights()
    with replacing(job.folder / "result", KIND) as building:
        shutil.copytree(job.work, building)
        check_room(building, (value.nbytes for value in model.get_weights()))
        model.save_weights(building / "model.weights.h5")
        _write_history(building / "history.csv", state.rows)
        if state.histograms:
            histograms = {name: np.array(rows) for name, rows in state.histograms.items()}
            arrays.write_npz(building / "histograms.npz", histograms)
        if isinstance(model, Encodes):
            _fit_density(job, model).write(building / "density.npz")
        settings = _describe(job) | {"kept": choice}
        (building / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
        sync(building)  # the checkpoints are removed next


def drop_checkpoints(job: Job) -> None:
    """Removes what nobody needs once the result is complete."""
    if devices.is_chief():
        shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
    shutil.rmtree(job.work, ignore_errors=True)


def discard(train_key: str) -> None:
    """Removes a training's folder, unless the pipeline has recorded the training."""
    folder = folder_of(train_key)
    if not (folder / RECORDED).is_file():
        shutil.rmtree(folder, ignore_errors=True)


def copy_paused(source: str, target: str) -> None:
    """Gives one paused training the checkpoint and the pictures of another, by their keys.

    It is no atomic change: after a kill, do it again.

    Raises:
        InputError: The first one is not paused, or its checkpoint was removed.
    """
    if not (folder_of(source) / "checkpoints").is_dir():
        raise InputError(
            "a training that is copied must have a checkpoint",
            "none",
            f"It should be in {folder_of(source)}",
        )
    discard(target)
    for part in ("checkpoints", "work"):
        shutil.copytree(folder_of(source) / part, folder_of(target) / part)


def _describe(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "kind": job.settings.kind,
        "settings": job.settings.model_dump(mode="json"),
        "image_shape": job.description["image_shape"],
        "fields": spec_to_json(job.spec),
        "takes": list(job.takes),
        "dataset": job.description["name"],
        "binarisation": job.binarisation,
        "class_names": job.description["class_names"],
        "train_key": job.train_key,
        "precision": job.training.precision,
        "genlab_version": genlab.__version__,
    }


def _write_history(path: Path, rows: list[dict[str, float]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _fit_density(job: Job, model: Encodes) -> density.GaussianMixture:
    """Fits a mixture to latents of training images, to posterior draws if there are posteriors."""
    seed = seeds.derive(job.seed, "density")
    train = arrays.read_split(job.data, "train").images
    order = np.random.default_rng(seed).permutation(len(train))
    rows = np.sort(order[: job.training.density_images])
    images = binarisation.as_seen(train[rows], job.binarisation)
    latents = np.concatenate(list(_latents(model, arrays.to_float(images), seed)))
    return density.fit(latents, job.training.density_components, seed)


def _latents(model: Encodes, images: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), 500):
        batch = images[start : start + 500]
        if isinstance(model, HasPosterior):
            yield model.draw_posterior(batch, (seed, start)).numpy()
        else:
            yield model.encode(batch).numpy()
