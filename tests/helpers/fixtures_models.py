"""Tiny models, data sets and trainings, for the tests of models, training and evaluation."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from genlab import training
from genlab.contract.fields import Field, spec_to_json
from genlab.contract.steps import Phase, Step
from genlab.imaging import arrays
from genlab.imaging.arrays import to_float
from genlab.settings import params, plugins
from genlab.settings.params import ModelSettings, Params, build_section
from genlab.training.engine import Engine
from genlab.training.feed import Examples, examples

ROOT = Path(__file__).parents[2]
TINY = {"latent_dim": 3, "batch_size": 4, "steps": 12, "monitor": None}
TINY_TRAINING = {
    "precision": "float32",
    "deterministic": True,
    "log_every_steps": 3,
    "validate_every_steps": 6,
    "checkpoint_every_seconds": 1000.0,
    "checkpoint_every_steps": None,
    "resident_megabytes": 100.0,
    "num_pictures": 4,
    "num_picture_times": 3,
    "num_validation_images": 8,
    "density_components": 2,
    "density_images": 40,
}


@cache
def _base_values() -> dict[str, Any]:
    return params.read_yaml(ROOT / "params.yaml")


def tiny_entry(kind: str, **changes: Any) -> dict[str, Any]:
    """Returns the first entry of this kind in params.yaml, every list of sizes cut down to two small ones."""
    entry = next(
        dict(entry) for entry in _base_values()["models"].values() if entry["kind"] == kind
    )
    small = {
        name: [5, 4] if name == "widths" else [2, 3]
        for name, value in entry.items()
        if isinstance(value, list) and value
    }
    return entry | small | TINY | changes


def tiny_settings(kind: str, **changes: Any) -> ModelSettings:
    chapter = plugins.find("models", kind, "tests")
    return build_section(chapter.Settings, tiny_entry(kind, **changes), "tests")


def tiny_spec(image_shape: tuple[int, int, int] = (8, 8, 1)) -> dict[str, Field]:
    """Returns the fields of the data set that `write_dataset` writes."""
    labels = Field((), "label", ("upper", "lower"))
    return {"images": Field(image_shape, "image"), "labels": labels}


def tiny_model(kind: str, image_shape: tuple[int, int, int] = (8, 8, 1), **changes: Any) -> Any:
    """Returns a model with random weights that depend on nothing but the settings."""
    keras.utils.set_random_seed(7)
    chapter = plugins.find("models", kind, "tests")
    return chapter.build(tiny_settings(kind, **changes), tiny_spec(image_shape))


def tiny_examples(
    images: np.ndarray, seed: int, phase: Phase, resident_bytes: float = math.inf
) -> Examples:
    """Returns a training's examples of one phase, images alone; streamed with `resident_bytes` of 0."""
    spec = {"images": Field(images.shape[1:], "image")}
    return examples({"images": images}, spec, seed, [phase], resident_bytes)


def tiny_engine(model: Any, images: np.ndarray, seed: int, binarise: Any = "none") -> Engine:
    """Returns the engine of a model on images that lie in memory; it takes any number of steps."""
    settings = model.settings
    batches_per_step = getattr(settings, "discriminator_steps", 1)
    phase = Phase(10**6, settings.batch_size, batches_per_step)
    made = tiny_examples(images, seed, phase)
    return Engine(model, model.make_optimizers(), made, seed, binarise)


def one_update(
    model: Any, images: np.ndarray, seed: tuple[int, int] = (1, 2), **fields: Any
) -> Any:
    """Makes the first training step of a model on uint8 images, and returns its losses."""
    step = Step(tf.constant(seed), tf.constant(0, tf.int64))
    batch = {"images": tf.constant(to_float(images)), **fields}
    return model.update(batch, step, model.make_optimizers())


def random_images(
    num_images: int, image_shape: tuple[int, int, int] = (8, 8, 1), seed: int = 0
) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_images, *image_shape), np.uint8)


def halves(
    num_images: int, image_shape: tuple[int, int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns noisy images whose upper (class 0) or lower half (class 1) is bright, and their labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num_images) % 2
    pictures = generator.integers(0, 60, (num_images, *image_shape), np.uint8)
    half = image_shape[0] // 2
    pictures[labels == 0, :half] += 190
    pictures[labels == 1, half:] += 190
    return pictures, labels.astype(np.int64)


def write_dataset(
    folder: Path, image_shape: tuple[int, int, int] = (8, 8, 1), **num_images: int
) -> Path:
    """Writes a fetched data set of two classes."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"train": 48, "validation": 12, "test": 20} | num_images
    content = []
    for seed, (split, count) in enumerate(counts.items()):
        pictures, labels = halves(count, image_shape, seed)
        np.save(folder / f"{split}_images.npy", pictures)
        np.save(folder / f"{split}_labels.npy", labels)
        content += [pictures, labels]
    description = {
        "name": "halves",
        "image_shape": list(image_shape),
        "class_names": ["upper", "lower"],
        "held_out_classes": [],
        "num_images": counts,
        "sha256": arrays.digest(*content),
        "licence": "none",
        "citation": "none",
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def tiny_params(models: dict[str, dict[str, Any]], **changes: Any) -> Params:
    """Returns parameters for these models; `changes` are of the section `training`."""
    base = _base_values()
    values = {name: base[name] for name in Params.model_fields} | {"models": models}
    values["training"] = TINY_TRAINING | changes
    return build_section(Params, values, "tests: ")


def tiny_job(
    data: Path, kind: str, training_changes: dict[str, Any] | None = None, **changes: Any
) -> training.Job:
    """Returns the training of a tiny model of this kind, which has the name of its kind."""
    return training.prepare(
        tiny_params({kind: tiny_entry(kind, **changes)}, **(training_changes or {})), kind, data
    )


class Recorder:
    """Keeps what it is told; stops a training where `stop_at` is reached, as a broken one would."""

    def __init__(self, stop_at: int = 0):
        self.metrics: dict[int, dict[str, float]] = {}
        self.pictures: list[tuple[str, int]] = []
        self.stop_at = stop_at

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        if step == self.stop_at:
            raise KeyboardInterrupt
        self.metrics[step] = metrics

    def log_image(self, path: Path, key: str, step: int) -> None:
        assert path.is_file()
        self.pictures.append((key, step))


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the bytes of every file in a folder, by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_trained_model(
    folder: Path, model: Any, kind: str, image_shape: tuple[int, int, int]
) -> Path:
    """Writes a model as training does, without its density."""
    folder.mkdir(parents=True)
    model.save_weights(folder / "model.weights.h5")
    settings = {
        "name": kind,
        "kind": kind,
        "settings": model.settings.model_dump(mode="json"),
        "image_shape": list(image_shape),
        "fields": spec_to_json(tiny_spec(image_shape)),
        "train_key": "0" * 32,
        "precision": "float32",
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder
