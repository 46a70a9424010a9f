"""Tiny models, data sets and trainings, for the tests of models, training and evaluation.

What is particular to a chapter lies with its tests: `tests/models/test_<kind>.py` offers `TINY`,
what makes its first entry in params.yaml small. Four more chapters, each of another kind of model,
lie in `tests/helpers/chapters`; their `TINY` is the whole entry.
"""

import importlib
import json
import math
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import genlab.models
from genlab import training
from genlab.contract.batches import as_batch
from genlab.contract.fields import Field, spec_to_json
from genlab.contract.steps import Phase, Step
from genlab.imaging import arrays
from genlab.settings import params, plugins
from genlab.settings.params import ModelSettings, Params, build_section
from genlab.training.engine import Engine
from genlab.training.feed import Examples, examples
from genlab.training.job import phases_of, takes_of

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "src" / "genlab" / "models"
CHAPTERS = Path(__file__).parent / "chapters"
CHAPTER_TESTS = ROOT / "tests" / "models"
Shape = tuple[int, int, int]
Fields = dict[str, np.ndarray]
SHAPE: Shape = (8, 8, 1)
SHORT = {"batch_size": 4, "steps": 12, "monitor": None}
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
    "num_seeds": 1,
}

# Chapters


@contextmanager
def fixture_chapters() -> Iterator[None]:
    """Adds the chapters of the tests to those of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(genlab.models, "__path__", [*genlab.models.__path__, str(CHAPTERS)])
        yield


def fixture_kinds() -> list[str]:
    return sorted(path.stem for path in CHAPTERS.glob("*.py"))


def all_kinds() -> list[str]:
    """Returns the chapters of the package and those of the tests."""
    return [*(module.name for module in pkgutil.iter_modules([str(MODELS)])), *fixture_kinds()]


def kinds_by_cost() -> list[Any]:
    """Returns all chapters; of the package's only the VAE is fast, however many there are."""
    fast = {"vae", *fixture_kinds()}
    return [
        kind if kind in fast else pytest.param(kind, marks=pytest.mark.slow) for kind in all_kinds()
    ]


def chapter_tests(kind: str) -> ModuleType:
    """Returns the test module of a chapter in `genlab/models`."""
    path = CHAPTER_TESTS / f"test_{kind}.py"
    assert path.is_file(), f"{path.relative_to(ROOT)} must hold TINY and NUM_PARAMETERS of {kind}"
    if str(CHAPTER_TESTS) not in sys.path:
        sys.path.append(str(CHAPTER_TESTS))
    return importlib.import_module(path.stem)


@cache
def _base_values() -> dict[str, Any]:
    return params.read_yaml(ROOT / "params.yaml")


def tiny_entry(kind: str, **changes: Any) -> dict[str, Any]:
    """Returns the first entry of this kind in params.yaml, made tiny and short."""
    if kind in fixture_kinds():
        own = plugins.find("models", kind, "tests").TINY
        return {"kind": kind, "keep": "last", "patience": 0} | SHORT | own | changes
    models = _base_values()["models"].values()
    entry = next(dict(entry) for entry in models if entry["kind"] == kind)
    return entry | SHORT | chapter_tests(kind).TINY | changes


def tiny_settings(kind: str, **changes: Any) -> ModelSettings:
    chapter = plugins.find("models", kind, "tests")
    return build_section(chapter.Settings, tiny_entry(kind, **changes), "tests")


def tiny_spec(image_shape: Shape = SHAPE) -> dict[str, Field]:
    """Returns the fields of the data set that `write_dataset` writes, and `inputs`."""
    images, labels = Field(image_shape, "image"), Field((), "label", ("upper", "lower"))
    return {"images": images, "labels": labels, "inputs": images}


def tiny_model(kind: str, image_shape: Shape = SHAPE, **changes: Any) -> Any:
    """Returns a model with random weights that depend on nothing but the settings."""
    keras.utils.set_random_seed(7)
    chapter = plugins.find("models", kind, "tests")
    return chapter.build(tiny_settings(kind, **changes), tiny_spec(image_shape))


# Batches, steps, engines


def random_images(num_images: int, image_shape: Shape = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_images, *image_shape), np.uint8)


def random_fields(num_examples: int, image_shape: Shape = SHAPE) -> Fields:
    """Returns one array per field of `tiny_spec`, as they lie on the disk."""
    return {
        "images": random_images(num_examples, image_shape),
        "labels": np.arange(num_examples) % 2,
        "inputs": random_images(num_examples, image_shape, seed=1),
    }


def chapter_of(model: Any) -> ModuleType:
    return sys.modules[type(model).__module__]


def takes_of_model(model: Any) -> tuple[str, ...]:
    return takes_of(chapter_of(model), model.settings)


def phases_of_model(model: Any) -> tuple[Phase, ...]:
    return phases_of(chapter_of(model), model.settings)


def batch_of(model: Any, num_examples: int, image_shape: Shape = SHAPE) -> dict[str, Any]:
    """Returns a batch of random examples, of the fields that a model takes."""
    fields = random_fields(num_examples, image_shape)
    taken = {name: fields[name] for name in takes_of_model(model)}
    return as_batch(taken, tiny_spec(image_shape))


def tiny_examples(
    fields: Fields | np.ndarray,
    seed: int,
    phases: Sequence[Phase],
    resident_bytes: float = math.inf,
) -> Examples:
    """Returns a training's examples, of images or of several fields; streamed with 0 bytes."""
    if isinstance(fields, np.ndarray):
        fields = {"images": fields}
    spec = tiny_spec(fields["images"].shape[1:])
    return examples(fields, {name: spec[name] for name in fields}, seed, phases, resident_bytes)


def tiny_engine(
    model: Any, fields: Fields | np.ndarray, seed: int, binarise: Any = "none"
) -> Engine:
    """Returns the engine of a model on fields that lie in memory, for the phases of its chapter."""
    made = tiny_examples(fields, seed, phases_of_model(model))
    return Engine(model, model.make_optimizers(), made, seed, binarise)


def step_of(seed: tuple[int, int] = (1, 2), number: int = 0) -> Step:
    return Step(tf.constant(seed), tf.constant(number, tf.int64))


def one_update(model: Any, batch: dict[str, Any], seed: tuple[int, int] = (1, 2)) -> Any:
    """Makes the first training step of a model, and returns its losses."""
    return model.update(batch, step_of(seed), model.make_optimizers())


def assert_sums_have_two_terms(model: Any) -> None:
    """TensorFlow may add three gradients in an order that depends on the load (decision 2)."""
    batch = batch_of(model, phases_of_model(model)[0].images_per_step)
    optimizers = model.make_optimizers()
    update = tf.function(lambda: model.update(batch, step_of(), optimizers), autograph=False)
    nodes = update.get_concrete_function().graph.get_operations()
    assert all(len(node.inputs) <= 2 for node in nodes if node.type == "AddN")


def all_variables(model: Any, optimizers: dict[str, Any]) -> list[Any]:
    """Returns the variables of a model and of its optimizers, in the order of a checkpoint."""
    return [
        *model.variables,
        *(v for name in sorted(optimizers) for v in optimizers[name].variables),
    ]


def as_grey_rows(*rows: list[float]) -> tf.Tensor:
    """Returns images of one row of grey pixels each."""
    return tf.constant(rows, tf.float32)[:, None, :, None]


def floats_of(losses: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in losses.items()}


# Data sets and trainings


def halves(num_images: int, image_shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns noisy images whose upper (class 0) or lower half (class 1) is bright, and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num_images) % 2
    pictures = generator.integers(0, 60, (num_images, *image_shape), np.uint8)
    half = image_shape[0] // 2
    pictures[labels == 0, :half] += 190
    pictures[labels == 1, half:] += 190
    return pictures, labels.astype(np.int64)


def write_dataset(
    folder: Path,
    image_shape: Shape = SHAPE,
    fields: tuple[str, ...] = ("images", "labels"),
    **num_images: int,
) -> Path:
    """Writes a fetched data set of two classes; `inputs` are the images upside down."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"train": 48, "validation": 12, "test": 20} | num_images
    spec = {name: tiny_spec(image_shape)[name] for name in fields}
    content = []
    for seed, (split, count) in enumerate(counts.items()):
        pictures, labels = halves(count, image_shape, seed)
        known = {"images": pictures, "labels": labels, "inputs": pictures[:, ::-1]}
        if "labels" not in fields:
            known["labels"] = np.full_like(labels, -1)
        for name in dict.fromkeys(("images", "labels", *fields)):
            np.save(folder / f"{split}_{name}.npy", known[name])
            content.append(known[name])
    description = {
        "name": "halves",
        "image_shape": list(image_shape),
        "class_names": list(spec["labels"].class_names) if "labels" in spec else [],
        "held_out_classes": [],
        "num_images": counts,
        "sha256": arrays.digest(*content),
        "licence": "none",
        "citation": "none",
        "fields": spec_to_json(spec),
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
    entries = {kind: tiny_entry(kind, **changes)}
    return training.prepare(tiny_params(entries, **(training_changes or {})), kind, data)


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


Finished = Callable[[str], tuple[Path, Recorder]]
"""From a kind to the result of its training, and what was recorded of it."""


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the bytes of every file in a folder, by its path in it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def write_trained_model(folder: Path, model: Any, kind: str, image_shape: Shape) -> Path:
    """Writes a model as training does, without its density."""
    folder.mkdir(parents=True)
    model.save_weights(folder / "model.weights.h5")
    settings = {
        "name": kind,
        "kind": kind,
        "settings": model.settings.model_dump(mode="json"),
        "image_shape": list(image_shape),
        "fields": spec_to_json(tiny_spec(image_shape)),
        "takes": list(takes_of_model(model)),
        "train_key": "0" * 32,
        "precision": "float32",
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


def child_environment(**changes: str) -> dict[str, str]:
    """Returns the environment of a process that imports genlab and these helpers."""
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT / "src")])
    return os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"} | changes
