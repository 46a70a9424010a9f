"""What one training is: its settings, its images, and the key that is equal where its result is equal."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import sklearn
import tensorflow as tf

from genlab.features import classifier
from genlab.imaging import arrays
from genlab.imaging.binarisation import Binarisation
from genlab.networks import devices
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings import code, plugins, seeds
from genlab.settings.params import ModelSettings, Params, Training, build_section

PACKAGES = (keras, np, sklearn, tf)
NO_EFFECT = {"checkpoint_every_seconds", "checkpoint_every_steps", "resident_megabytes"}
"""Training parameters that change neither weights nor history."""
FRECHET_DISTANCE = "frechet_distance"
RECORDED = "recorded.json"
"""Time, speed, device and link of a training whose result is complete, and its run but for its end."""


@dataclass(frozen=True)
class Job:
    """One training, ready to run."""

    name: str
    chapter: ModuleType
    settings: ModelSettings
    training: Training
    data: Path
    features: Path | None
    """The feature extractor, where the model monitors a Fréchet distance."""
    description: dict[str, Any]
    binarisation: Binarisation
    seed: int
    train_key: str

    @property
    def folder(self) -> Path:
        """Where checkpoints and the finished result are kept, outside of DVC's outputs."""
        return folder_of(self.train_key)

    @property
    def work(self) -> Path:
        """Where pictures are gathered while it runs; of several processes each has its own."""
        return self.folder / ("work" if devices.is_chief() else f"work-{devices.process_index()}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = self.description["image_shape"]
        return height, width, channels


def folder_of(train_key: str) -> Path:
    """Returns where a training is kept."""
    return workspace.state("training", train_key)


def prepare(params: Params, name: str, data: Path, features: Path | None = None) -> Job:
    """Returns the training of the model `name` on the fetched images in `data`.

    Args:
        params: All parameters; `precision: auto` is resolved here.
        name: A model in `params.yaml: models`.
        data: A fetched data set.
        features: The folder of the feature extractor; only `monitor: frechet_distance` needs it.

    Raises:
        InputError: The model, one of its settings or the images are not usable; the message is one line.
    """
    where = f"params.yaml: models.{name}"
    params.model(name)
    chapter, settings = {other: _settings(params, other) for other in params.models}[
        name
    ]  # all: before hours pass
    description = arrays.read_description(data)
    available = description["num_images"]["train"]
    if settings.images_per_step > available:
        raise InputError(
            f"batch_size must be at most the {available} training images",
            f"{settings.images_per_step} images per step",
            f"See {where}.batch_size",
        )
    if settings.monitor != FRECHET_DISTANCE:
        features = None
    elif features is None:
        raise InputError(
            "a feature extractor must be given to monitor a Fréchet distance",
            "none",
            f"See {where}.monitor, or pass --features",
        )
    training = params.training.model_copy(
        update={"precision": _precision(params.training.precision, chapter, settings)}
    )
    seed = seeds.derive(params.seed, "train", name)
    seen = {"data": description["sha256"], "binarisation": params.data.binarisation}
    key = _train_key(settings, training, seed, seen, features)
    binarisation = params.data.binarisation
    return Job(
        name,
        chapter,
        settings,
        training,
        Path(data),
        features,
        description,
        binarisation,
        seed,
        key,
    )


def _precision(wanted: str, chapter: ModuleType, settings: ModelSettings) -> str:
    """Returns the precision; `auto` is what the chapter's table says for this model on this kind of device."""
    if wanted == "auto":
        measured = getattr(chapter, "FASTEST_PRECISION", {})
        return measured.get((devices.arithmetic(), getattr(settings, "network", "")), "float32")
    devices.check_precision(wanted)
    return wanted


def _settings(params: Params, name: str) -> tuple[ModuleType, ModelSettings]:
    where, entry = f"params.yaml: models.{name}", params.model(name)
    chapter = plugins.find("models", str(entry.get("kind")), f"{where}.kind")
    return chapter, build_section(chapter.Settings, entry, where)


def _train_key(
    settings: ModelSettings,
    training: Training,
    seed: int,
    seen: dict[str, str],
    features: Path | None,
) -> str:
    parts = seen | {
        "settings": settings.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude=NO_EFFECT),
        "seed": seed,
        "features": classifier.read_settings(features)["weights_sha256"] if features else None,
        "code": code.digest("training", f"models.{settings.kind}"),
        "packages": {package.__name__: package.__version__ for package in PACKAGES},
        "devices": devices.count_and_kind(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
