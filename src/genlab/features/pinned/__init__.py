"""Feature extractors of fixed weights in this package: distances on them compare between machines.

One folder each, `<data set>-v<number>`: the weights, and in `settings.json` their SHA-256, recipe,
seed and accuracy, and the data set's name and SHA-256. `pin` makes one. A new recipe gets a new
number; a folder never changes.
"""

import re
import shutil
from pathlib import Path

import numpy as np

from genlab.features import classifier
from genlab.features.classifier import SETTINGS, WEIGHTS, FeatureExtractor
from genlab.imaging.arrays import ImageShape, digest, read_description, read_split
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings.params import FeatureRecipe
from genlab.settings.plugins import check_among

FOLDER = Path(__file__).parent
NAME = re.compile(r"(?P<data>[a-z0-9_]+)-v(?P<version>[1-9][0-9]*)")
AUTO, TRAINED = "auto", "trained"
WHERE = "params.yaml: features.extractor"


def names() -> list[str]:
    """Returns the names of all pinned extractors, sorted, the newest of a data set last."""
    folders = (path.parent.name for path in FOLDER.glob(f"*/{SETTINGS}"))
    matches = [match for match in map(NAME.fullmatch, folders) if match]
    ordered = sorted(matches, key=lambda match: (match["data"], int(match["version"])))
    return [match[0] for match in ordered]


def choose(extractor: str, data_name: str, test_images: np.ndarray) -> str | None:
    """Returns the pinned extractor that `features.extractor` means, or None: train one.

    Args:
        extractor: `auto`, `trained`, or the name of a pinned one.
        data_name: The data set; `auto` is its newest extractor that never saw these test images.
        test_images: uint8 (n, height, width, channels). Without an official test split another seed
            makes another one, with images that a pinned extractor was trained on.

    Raises:
        InputError: There is no such extractor, or the images do not have its shape.
    """
    if extractor == TRAINED:
        return None
    if extractor == AUTO:
        sha256 = digest(test_images)
        fitting = (
            name
            for name in reversed(names())
            if name.rpartition("-v")[0] == data_name and _data_of(name)["test_sha256"] == sha256
        )
        return next(fitting, None)
    check_among(extractor, [AUTO, TRAINED, *names()], WHERE, WHERE)
    check_shape(extractor, test_images.shape[1:], WHERE)
    return extractor


def check_shape(name: str, image_shape: ImageShape, where: str) -> None:
    """Raises an InputError if the extractor was trained on images of another shape."""
    if tuple(image_shape) != shape_of(name):
        raise InputError(
            f"images must have the shape {shape_of(name)} for the extractor {name}",
            str(tuple(image_shape)),
            f"See {where}",
        )


def _data_of(name: str) -> dict[str, str]:
    return classifier.read_settings(FOLDER / name)["data"]


def shape_of(name: str) -> ImageShape:
    """Returns height, width and channels of the images that a pinned extractor takes."""
    height, width, channels = classifier.read_settings(FOLDER / name)["image_shape"]
    return height, width, channels


def load(name: str) -> FeatureExtractor:
    """Returns a pinned extractor."""
    return classifier.load(FOLDER / name)


def copy(name: str, out: Path) -> None:
    """Copies a pinned extractor into the folder `out`."""
    for file in (WEIGHTS, SETTINGS):
        shutil.copyfile(FOLDER / name / file, out / file)


def pin(recipe: FeatureRecipe, seed: int, images: Path, out: Path) -> None:
    """Trains an extractor on a fetched data set and writes it as a folder that can be shipped.

    Args:
        recipe: How.
        seed: Of the weights and of the order of the images.
        images: The data set; it is trained on train, its accuracy is of test.
        out: The new folder; its name is the extractor's.

    Raises:
        InputError: The folder exists, its name is not `<data set>-v<number>`, or there is no data.
    """
    description = read_description(images)
    match = NAME.fullmatch(out.name)
    if not match or match["data"] != description["name"]:
        expected = f"--out must be a folder with a name like {description['name']}-v1"
        raise InputError(expected, repr(out.name), "See --out")
    train, test = read_split(images, "train"), read_split(images, "test")
    with replacing(out) as building:  # without a kind: a pinned extractor never changes
        building.mkdir()
        classifier.train(recipe, train, test, len(description["class_names"]), seed, building)
        data = {
            "name": description["name"],
            "sha256": description["sha256"],
            "test_sha256": digest(test.images),
        }
        facts = {"pinned": out.name, **classifier.read_settings(building), "data": data}
        classifier.write_settings(building, facts)
