"""Describes one training: its settings, its data, and the key that identifies its result."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import sklearn
import tensorflow as tf

from genlab.contract.fields import Spec, read_spec, spec_to_json
from genlab.contract.steps import Phase
from genlab.features import judges
from genlab.imaging import arrays
from genlab.imaging.binarisation import Binarisation
from genlab.networks import devices
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings import code, plugins, seeds
from genlab.settings.params import ModelSettings, Params, Training, build_section

PACKAGES = (keras, np, sklearn, tf)
NO_EFFECT = {
    "checkpoint_every_seconds",
    "checkpoint_every_steps",
    "num_seeds",
    "resident_megabytes",
}
"""Parameters of the training that change neither weights nor history."""
FRECHET_DISTANCE = "frechet_distance"
RECORDED = "recorded.json"
"""Name of the file with time, speed, device and link of a recorded training."""


@dataclass(frozen=True)
class Job:
    """One training, ready to run.

    Attributes:
        name: The model's name in `params.yaml`.
        chapter: The module that defines the model.
        settings: The chapter's settings.
        training: Parameters of the training; the precision is resolved.
        data: Folder of the fetched data set.
        features: Folder of the selection judges, if the model monitors a Fréchet distance.
        description: The data set's `dataset.json`.
        spec: The data set's fields.
        binarisation: How images become black and white.
        seed: Seed of this training.
        train_key: Identifies the result.
    """

    name: str
    chapter: ModuleType
    settings: ModelSettings
    training: Training
    data: Path
    features: Path | None
    description: dict[str, Any]
    spec: Spec
    binarisation: Binarisation
    seed: int
    train_key: str

    @property
    def folder(self) -> Path:
        """Where checkpoints and the finished result lie, outside DVC's outputs."""
        return folder_of(self.train_key)

    @property
    def work(self) -> Path:
        """Where pictures are written while it runs; each process has its own folder."""
        return self.folder / ("work" if devices.is_chief() else f"work-{devices.process_index()}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The parts of the training."""
        return phases_of(self.chapter, self.settings)

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def takes(self) -> tuple[str, ...]:
        """The fields that the model is trained on."""
        return takes_of(self.chapter, self.settings)


def phases_of(chapter: ModuleType, settings: ModelSettings) -> tuple[Phase, ...]:
    """Returns the chapter's `phases`; by default one phase with all steps."""
    phases = getattr(chapter, "phases", None)
    return tuple(phases(settings)) if phases else (Phase(settings.steps, settings.batch_size),)


def takes_of(chapter: ModuleType, settings: ModelSettings) -> tuple[str, ...]:
    """Returns the fields that the chapter `takes`; by default the images."""
    takes = getattr(chapter, "takes", None)
    return tuple(takes(settings)) if takes else ("images",)


def folder_of(train_key: str) -> Path:
    """Returns the folder of a training."""
    return workspace.state("training", train_key)


def prepare(params: Params, name: str, data: Path, features: Path | None = None) -> Job:
    """Returns the training of the model `name` on the fetched data set in `data`.

    Args:
        params: All parameters; `precision: auto` is resolved here.
        name: A model in `params.yaml: models`.
        data: A fetched data set.
        features: Folder of the selection judges; only `monitor: frechet_distance` needs it.

    Raises:
        InputError: A model or a setting is invalid, or the data set lacks a field or enough images.
    """
    params.model(name)
    # All models are checked: an error in another one should not appear hours later.
    chapters = {other: _chapter(params, other) for other in params.models}
    chapter, settings = chapters[name]
    description = arrays.read_description(data)
    spec = read_spec(data)
    takes = takes_of(chapter, settings)
    _check_fields(name, takes, spec, description["name"])
    _check_size(name, phases_of(chapter, settings), description["num_images"]["train"])
    features = _features(name, settings, features)
    precision = _precision(params.training.precision, chapter, settings)
    training = params.training.model_copy(update={"precision": precision})
    seed = seeds.derive(params.seed, "train", name)
    parts = {
        "data": description["sha256"],
        "fields": spec_to_json({field: spec[field] for field in takes}),
        "binarisation": params.data.binarisation,
        "settings": settings.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude=NO_EFFECT),
        "seed": seed,
        "features": judges.weights_sha256(features) if features else None,
        "code": code.digest("training", Path(str(chapter.__file__))),
        "packages": {package.__name__: package.__version__ for package in PACKAGES},
        "devices": devices.count_and_kind(),
    }
    return Job(
        name=name,
        chapter=chapter,
        settings=settings,
        training=training,
        data=Path(data),
        features=features,
        description=description,
        spec=spec,
        binarisation=params.data.binarisation,
        seed=seed,
        train_key=hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32],
    )


def _chapter(params: Params, name: str) -> tuple[ModuleType, ModelSettings]:
    where, entry = f"params.yaml: models.{name}", params.model(name)
    chapter = plugins.find("models", str(entry.get("kind")), f"{where}.kind")
    return chapter, build_section(chapter.Settings, entry, where)


def _check_fields(name: str, takes: Sequence[str], spec: Spec, dataset: str) -> None:
    if any(field not in spec for field in takes):
        raise InputError(
            f"{name} must have the fields that it takes: {', '.join(takes)}",
            f"{dataset} has {', '.join(spec)}",
            f"See params.yaml: data.name, data.inputs, models.{name}",
        )


def _check_size(name: str, phases: Sequence[Phase], available: int) -> None:
    largest = max(phase.images_per_step for phase in phases)
    if largest > available:
        raise InputError(
            f"batch_size must be at most the {available} training images",
            f"{largest} images per step",
            f"See params.yaml: models.{name}.batch_size",
        )


def _features(name: str, settings: ModelSettings, features: Path | None) -> Path | None:
    """Returns the folder of the judges if the model monitors a distance."""
    if settings.monitor != FRECHET_DISTANCE:
        return None
    if features is None:
        raise InputError(
            "selection judges must be given to monitor a Fréchet distance",
            "none",
            f"See params.yaml: models.{name}.monitor, or pass --features",
        )
    return features


def _precision(precision: str, chapter: ModuleType, settings: ModelSettings) -> str:
    """Returns the precision; `auto` is looked up in the chapter's table, by kind of device."""
    if precision == "auto":
        fastest = getattr(chapter, "FASTEST_PRECISION", {})
        network = getattr(settings, "network", "")
        return fastest.get((devices.arithmetic(), network), "float32")
    devices.check_precision(precision)
    return precision
