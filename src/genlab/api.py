"""What Python and notebooks use, as `genlab.fetch`, `.train` and `.load`: a data set, a training, a trained model.

They go through the stages of the pipeline, so that every training is in MLflow and none is repeated. Their files lie in
`.genlab/workbench`: `data/images` and `models`, which are DVC's, stay as they are.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genlab import tracking
from genlab.imaging import arrays
from genlab.imaging.pictures import Pictures
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Params
from genlab.settings.params import load as load_params
from genlab.stages import features
from genlab.stages import fetch as fetch_stage
from genlab.stages import train as train_stage
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel


class Part(NamedTuple):
    """Images, uint8 (n, height, width, channels), and labels, int64 (n,), -1 where there is none."""

    images: Pictures
    labels: np.ndarray


class DataSet(NamedTuple):
    """A fetched data set."""

    name: str
    class_names: list[str]
    train: Part
    validation: Part
    test: Part
    folder: Path
    """Where `images` and `features` lie."""


def load(address: Path | str) -> TrainedModel:
    """Returns a trained model.

    Args:
        address: Its folder (`models/vae`), or its name in MLflow's registry (`models:/vae@champion`, `models:/vae/3`).

    Raises:
        InputError: There is no such model.
    """
    return trained_model.load(tracking.trained_folder(str(address)))


def fetch(name: str | None = None) -> DataSet:
    """Returns a data set, split as the pipeline splits it.

    Args:
        name: One of those that `params.yaml: data.name` may be; that one when not given.

    Raises:
        InputError: The data set is unknown, or a file cannot be had.
    """
    params = _params(name)
    folder = _folder_of(params)
    if not (folder / "images").is_dir():
        fetch_stage.run(params, folder / "images")
    description = arrays.read_description(folder / "images")
    parts = (arrays.read_split(folder / "images", split) for split in arrays.SPLITS)
    train, validation, test = (
        Part(Pictures(part.images), np.asarray(part.labels)) for part in parts
    )
    return DataSet(params.data.name, description["class_names"], train, validation, test, folder)


def train(model: str, data: DataSet | str | None = None, **settings: Any) -> TrainedModel:
    """Trains a model and returns it; of equal trainings the second takes the first one's result.

    Args:
        model: A model in `params.yaml: models`.
        data: What `fetch` returned, or a name for it.
        settings: In place of those in `params.yaml: models.<model>`: `latent_dim=2, steps=4000`.

    Raises:
        InputError: The model or a setting is unknown, or a value is out of its range.
    """
    data = data if isinstance(data, DataSet) else fetch(data)
    params = _params(data.name)
    entry = params.model(model)
    for name in settings.keys() - entry.keys():
        near = plugins.nearest(name, entry)
        raise InputError(
            f"settings must be among {', '.join(entry)}{near}",
            f"{name!r}",
            "See the settings given",
        )
    params = params.model_copy(update={"models": {model: entry | settings}})
    if not (data.folder / "features").is_dir():
        features.run(params, data.folder / "images", data.folder / "features")
    places = data.folder / "models" / _name(model, settings), data.folder / "timings"
    train_stage.run(params, model, data.folder / "images", data.folder / "features", *places)
    return trained_model.load(places[0])


def _params(data_name: str | None) -> Params:
    return load_params(workspace.root() / "params.yaml", data_name=data_name)


def _folder_of(params: Params) -> Path:
    """Returns the folder of a data set; other parameters of its splits, another folder."""
    chosen = f"{params.seed} {params.data.model_dump_json()} {params.features.model_dump_json()}"
    return workspace.state("workbench", f"{params.data.name}-{_digest(chosen)}")


def _name(model: str, settings: dict[str, Any]) -> str:
    changed = " ".join(f"{name}={value}" for name, value in sorted(settings.items()))
    return f"{model}-{_digest(changed)}" if changed else model


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
