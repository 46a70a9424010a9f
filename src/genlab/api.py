"""What Python and notebooks use: `genlab.fetch`, `genlab.train` and `genlab.load`.

They do what the pipeline's stages do: every training is in MLflow, and none is repeated. Their
files are in `.genlab/api`; DVC's `data/images` and `models` stay as they are.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genlab import tracking, training
from genlab.data import picture_files
from genlab.features import judges
from genlab.imaging import arrays
from genlab.imaging.pictures import Pictures
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings import params as parameters
from genlab.settings import plugins
from genlab.settings.params import Params
from genlab.stages import features
from genlab.stages import fetch as fetch_stage
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel
from genlab.workflows import recorded_training


class Part(NamedTuple):
    """Images, uint8 (n, height, width, channels), and labels, int64 (n,); -1 is no label."""

    images: Pictures
    labels: np.ndarray


class DataSet(NamedTuple):
    """A fetched data set; `images` and `features` lie in its folder."""

    name: str
    class_names: list[str]
    train: Part
    validation: Part
    test: Part
    folder: Path


def load(address: Path | str) -> TrainedModel:
    """Returns a trained model.

    Args:
        address: Its folder (`models/vae`), or its name in MLflow's registry
            (`models:/vae@champion`, `models:/vae/3`).

    Raises:
        InputError: There is no such model.
    """
    return trained_model.load(tracking.trained_folder(str(address)))


def fetch(name: str | None = None) -> DataSet:
    """Returns a data set with the pipeline's splits, fetched anew where the user's files changed.

    Args:
        name: A value of `params.yaml: data.name`; the present one if not given.

    Raises:
        InputError: The data set is unknown, or a file is not available.
    """
    params = _params(name)
    folder = _folder(params)
    if not (folder / "images").is_dir():
        fetch_stage.run(params, folder / "images")
    class_names = arrays.read_description(folder / "images")["class_names"]
    train, validation, test = (_part(folder / "images", split) for split in arrays.SPLITS)
    return DataSet(params.data.name, class_names, train, validation, test, folder)


def train(model: str, data: DataSet | str | None = None, **settings: Any) -> TrainedModel:
    """Trains a model and returns it; an equal training is not repeated.

    Args:
        model: A model in `params.yaml: models`.
        data: What `fetch` returned, or a name for it.
        settings: In place of those in `params.yaml: models.<model>`: `latent_dim=2, steps=4000`.

    Raises:
        InputError: The model or a setting is unknown, or a value is out of its range.
    """
    data = data if isinstance(data, DataSet) else fetch(data)
    images, panel = data.folder / "images", data.folder / "features"
    params = _params(data.name, arrays.read_description(images)["image_shape"])
    entry = params.model(model)
    for name in settings.keys() - entry.keys():
        expected = f"settings must be among {', '.join(entry)}{plugins.nearest(name, entry)}"
        raise InputError(expected, f"{name!r}", "See the settings given")
    params = params.model_copy(update={"models": {model: entry | settings}})
    if not panel.is_dir():
        features.run(params, images, panel)
    out = data.folder / "models" / _name(model, settings)
    job = training.prepare(params, model, images, panel / judges.SELECTION)
    recorded_training.run(job, out, data.folder / "timings")
    return trained_model.load(out)


def _part(images: Path, split: str) -> Part:
    part = arrays.read_split(images, split)
    return Part(Pictures(part.images), np.asarray(part.labels))


def _params(data_name: str | None, image_shape: Sequence[int] | None = None) -> Params:
    path = workspace.root() / "params.yaml"
    return parameters.load(path, data_name=data_name, image_shape=image_shape)


def _folder(params: Params) -> Path:
    """Returns the folder of a data set; each choice of its parameters and files has its own."""
    chosen = f"{params.seed} {params.data.model_dump_json()} {params.features.model_dump_json()}"
    chosen += _own_files(params)
    return workspace.state("api", f"{params.data.name}-{_digest(chosen)}")


def _own_files(params: Params) -> str:
    """Returns names, sizes and times of the user's own files; empty for other data sets."""
    if plugins.find("datasets", params.data.name, "params.yaml: data.name").FILES is not None:
        return ""
    source = picture_files.located(params.data.directory)
    paths = sorted(path for path in (source, *source.rglob("*")) if path.exists())
    facts = ((path, path.stat()) for path in paths)
    return "".join(f"\n{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in facts)


def _name(model: str, settings: dict[str, Any]) -> str:
    changes = " ".join(f"{name}={value}" for name, value in sorted(settings.items()))
    return f"{model}-{_digest(changes)}" if changes else model


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]
