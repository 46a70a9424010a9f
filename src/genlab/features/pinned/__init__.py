"""Pinned panels of judges in this package: distances on them compare between machines.

One folder each, `<data set>-v<number>`: a panel as `judges` describes it, or one judge alone, as
the first ones were. Each judge's `settings.json` holds the SHA-256 of its weights, its recipe, seed
and accuracy, and the data set's name and SHA-256. `pin` makes a panel. A new recipe gets a new
number; a folder never changes.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genlab.features import classifier, judges
from genlab.features.classifier import SETTINGS, FeatureExtractor
from genlab.imaging.arrays import ImageShape, digest, read_description, read_split
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings.judges import Features
from genlab.settings.plugins import check_among

FOLDER = Path(__file__).parent
NAME = re.compile(r"(?P<data>[a-z0-9_]+)-v(?P<version>[1-9][0-9]*)")
AUTO, TRAINED = "auto", "trained"
WHERE = "params.yaml: features.extractor"


def names() -> list[str]:
    """Returns the names of all that is pinned, sorted, the newest of a data set last."""
    matches = [
        match for match in map(NAME.fullmatch, (path.name for path in FOLDER.iterdir())) if match
    ]
    ordered = sorted(matches, key=lambda match: (match["data"], int(match["version"])))
    return [match[0] for match in ordered]


def choose(extractor: str, data_name: str, test_images: np.ndarray) -> str | None:
    """Returns what of the pinned `features.extractor` means, or None: train a panel.

    Args:
        extractor: `auto`, `trained`, or the name of a pinned one.
        data_name: The data set; `auto` is its newest panel that never saw these test images.
        test_images: uint8 (n, height, width, channels). Without an official test split another seed
            makes another one, with images that a pinned judge was trained on.

    Raises:
        InputError: There is none of this name, or the images do not have its shape.
    """
    if extractor == TRAINED:
        return None
    if extractor == AUTO:
        sha256 = digest(test_images)
        fitting = (
            name
            for name in reversed(names())
            if name.rpartition("-v")[0] == data_name
            and _known(name)["data"]["test_sha256"] == sha256
        )
        return next(fitting, None)
    check_among(extractor, [AUTO, TRAINED, *names()], WHERE, WHERE)
    check_shape(extractor, test_images.shape[1:], WHERE)
    return extractor


def check_shape(name: str, image_shape: ImageShape, where: str) -> None:
    """Raises an InputError if the judges were trained on images of another shape."""
    if tuple(image_shape) != shape_of(name):
        raise InputError(
            f"images must have the shape {shape_of(name)} for the judges {name}",
            str(tuple(image_shape)),
            f"See {where}",
        )


def shape_of(name: str) -> ImageShape:
    """Returns height, width and channels of the images that the judges take."""
    height, width, channels = _known(name)["image_shape"]
    return height, width, channels


def load(name: str) -> dict[str, FeatureExtractor]:
    """Returns the reporting judges by name."""
    return judges.load(_reporting(name))


def copy(name: str, out: Path) -> None:
    """Copies what is pinned into the folder `out`; a judge alone takes both roles."""
    if not _is_alone(name):
        shutil.copytree(FOLDER / name, out, dirs_exist_ok=True)
        return
    for role in judges.ROLES:
        shutil.copytree(FOLDER / name, out / role / name)


def pin(features: Features, seed: int, images: Path, out: Path) -> None:
    """Trains a panel on a fetched data set and writes it as a folder that can be shipped.

    Args:
        features: Which judges, and how they are trained.
        seed: Of the weights and of the order of the images.
        images: The data set; judges are trained on train, their accuracy is of test.
        out: The new folder; its name is the panel's.

    Raises:
        InputError: The folder exists, its name is not `<data set>-v<number>`, or there is no data.
    """
    description = read_description(images)
    match = NAME.fullmatch(out.name)
    if not match or match["data"] != description["name"]:
        expected = f"--out must be a folder with a name like {description['name']}-v1"
        raise InputError(expected, repr(out.name), "See --out")
    train, test = read_split(images, "train"), read_split(images, "test")
    with replacing(out) as building:  # without a kind: what is pinned never changes
        lessons = judges.Lessons(train, test, len(description["class_names"]))
        building.mkdir()
        judges.train(features, lessons, seed, building)
        data = {
            "name": description["name"],
            "sha256": description["sha256"],
            "test_sha256": digest(test.images),
        }
        for settings in building.rglob(SETTINGS):
            facts = {"pinned": out.name, **classifier.read_settings(settings.parent), "data": data}
            classifier.write_settings(settings.parent, facts)


def _is_alone(name: str) -> bool:
    return (FOLDER / name / SETTINGS).is_file()


def _reporting(name: str) -> Path:
    return FOLDER / name if _is_alone(name) else FOLDER / name / judges.REPORTING


def _known(name: str) -> Mapping[str, Any]:
    """Returns what is known of one of the judges: the images are the same for all."""
    return next(iter(judges.facts(_reporting(name)).values()))
