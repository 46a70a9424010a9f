"""What is trained: entries of `params.yaml` on MNIST shapes, changed, on generated images."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from genlab.contract.fields import Field, spec_to_json
from genlab.imaging import arrays
from genlab.settings import params, plugins
from genlab.settings.params import ModelSettings, Params, build_section

ROOT = Path(__file__).parents[1]
DATA_NAME = "mnist"
IMAGE_SHAPE = (28, 28, 1)
CLASS_NAMES = ("even", "odd")
SPEC = {"images": Field(IMAGE_SHAPE, "image"), "labels": Field((), "label", CLASS_NAMES)}
BATCH_SIZE = 128
CHUNK_IMAGES = 10_000

ENTRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "vae": ("vae", {}),
    "convolutional_vae": ("vae", {"network": "convolutional", "widths": [500]}),
    "gan": ("gan", {"r1_weight": 0.0, "monitor": None}),
    "autoencoder": ("autoencoder", {}),
}
"""By name here: the entry of `params.yaml` and what differs.

The GAN is the plain DCGAN: without penalty, and without a distance measured on the way.
"""


def parameters(name: str, training: dict[str, Any] | None = None, **changes: Any) -> Params:
    """Returns the parameters of one workload: its entry and the section `training`, changed."""
    base = params.load(ROOT / "params.yaml", data_name=DATA_NAME, profile="default")
    source, differing = ENTRIES[name]
    entry = base.model(source) | {"batch_size": BATCH_SIZE} | differing | changes
    sections = {"models": {name: entry}, "training": base.training.model_dump() | (training or {})}
    return build_section(Params, base.model_dump() | sections, "benchmarks: ")


def settings(name: str, **changes: Any) -> tuple[ModuleType, ModelSettings]:
    """Returns the chapter of one workload and its typed settings."""
    entry = parameters(name, **changes).model(name)
    chapter = plugins.find("models", entry["kind"], "benchmarks")
    return chapter, build_section(chapter.Settings, entry, "benchmarks: ")


def build(name: str, **changes: Any) -> Any:
    """Returns a workload's model, untrained."""
    chapter, typed = settings(name, **changes)
    return chapter.build(typed, SPEC)


def is_adversarial(model: Any) -> bool:
    """Returns whether the model is a generator and a discriminator, else encoder and decoder."""
    return model.settings.kind == "gan"


def trained_settings(model: Any, name: str) -> dict[str, Any]:
    """Returns the `settings.json` of a workload's model."""
    return {
        "name": name,
        "kind": model.settings.kind,
        "settings": model.settings.model_dump(mode="json"),
        "image_shape": list(IMAGE_SHAPE),
        "fields": spec_to_json(SPEC),
        "precision": "float32",
    }


def blobs(num_images: int, seed: int) -> np.ndarray:
    """Returns bright spots at random places on black, uint8 (num_images, 28, 28, 1)."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(8, 20, (2, num_images, 1)).astype(np.float32)
    widths = generator.uniform(2, 5, (num_images, 1)).astype(np.float32)
    places = np.arange(28, dtype=np.float32)
    rows, columns = np.exp(-np.square((places - centres) / widths))
    return (255 * rows[:, :, None] * columns[:, None, :]).astype(np.uint8)[..., None]


def write_dataset(folder: Path, num_images: int, num_validation: int = 5000) -> Path:
    """Writes generated images as the stage `fetch` does; only a part of them is in memory."""
    folder.mkdir(parents=True)
    counts = {"train": num_images, "validation": num_validation, "test": 100}
    for number, (split, count) in enumerate(counts.items()):
        path, shape = folder / f"{split}_images.npy", (count, *IMAGE_SHAPE)
        array = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        for start in range(0, count, CHUNK_IMAGES):
            part = array[start : start + CHUNK_IMAGES]
            part[:] = blobs(len(part), seed=1_000_000 * number + start)
        array.flush()
        labels = np.arange(count, dtype=np.int64) % 2
        np.save(folder / f"{split}_labels.npy", labels, allow_pickle=False)
    content = [array for split in counts for array in arrays.read_split(folder, split)]
    description = {
        "name": DATA_NAME,
        "image_shape": IMAGE_SHAPE,
        "class_names": CLASS_NAMES,
        "fields": spec_to_json(SPEC),
        "num_images": counts,
        "sha256": arrays.digest(*content),
        "licence": "none",
        "citation": "generated for the benchmark",
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder
