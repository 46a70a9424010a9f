"""Panels of judges: several classifiers of one data set, so that no number hangs on one of them.

Whatever is chosen by a judge is fitted to it. So a panel is split once and for all. Its selection
judges see validation images alone: they stop trainings, rank trials and draw the curves. Its
reporting judges give every number that is published, and choose nothing.

    <panel>/<role>/<judge>/    the weights of one judge, and what is known of it

Judges are comparable since features are scaled: their mean variance on the real images is 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genlab.features import cache, classifier
from genlab.features.classifier import SETTINGS, WEIGHTS, FeatureExtractor
from genlab.features.extractor import Extracted, Extractor
from genlab.imaging.arrays import Split
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.judges import Features

SELECTION, REPORTING = "selection", "reporting"
ROLES = (SELECTION, REPORTING)
FILES = tuple(f"{role}/*/{file}" for file in (SETTINGS, WEIGHTS) for role in ROLES)
"""Patterns of all files of a panel."""


@dataclass(frozen=True)
class Judge:
    """An extractor, and real images that others are compared with.

    Attributes:
        name: Within its panel.
        extractor: Its network.
        real: Features and classes of the real images, scaled.
        scale: What features are multiplied by; 1 for a published network.
    """

    name: str
    extractor: Extractor
    real: Extracted
    scale: float

    def extract(self, images: np.ndarray, folder: Path | None = None) -> Extracted:
        """Returns scaled features and classes of uint8 images NHWC; `folder` as `cache.extract`."""
        return _scaled(cache.extract(self.extractor, images, folder), self.scale)


def beside(
    name: str, extractor: Extractor, images: np.ndarray, folder: Path | None = None
) -> Judge:
    """Returns the judge of sets of images beside these real ones, uint8 NHWC, at least two."""
    real = cache.extract(extractor, images, folder)
    variance = float(real.features.var(axis=0, dtype=np.float64).mean())
    scale = variance**-0.5 if extractor.is_scaled and variance > 0 else 1.0
    return Judge(name, extractor, _scaled(real, scale), scale)


def _scaled(extracted: Extracted, scale: float) -> Extracted:
    return extracted._replace(features=extracted.features * np.float32(scale))


class Lessons(NamedTuple):
    """What judges learn from, and where their accuracy is taken.

    Attributes:
        train: Images and labels.
        test: Images and labels.
        num_classes: Fewer than 2: there are none, and clusters are told apart.
    """

    train: Split
    test: Split
    num_classes: int


def train(
    features: Features, lessons: Lessons, seed: int, out: Path, roles: Sequence[str] = ROLES
) -> None:
    """Trains the panel of `params.yaml: features` and writes it into the folder `out`."""
    for role in roles:
        for name, filters in getattr(features.judges, role).items():
            if filters is None:
                continue
            folder = out / role / name
            folder.mkdir(parents=True)
            recipe, own_seed = features.recipe(name, filters), seeds.derive(seed, role, name)
            classifier.train(recipe, *lessons, own_seed, folder)


def role_for(split: str) -> str:
    """Returns which judges see the images of a split: those of `test` choose nothing."""
    return REPORTING if split == "test" else SELECTION


def load(folder: Path) -> dict[str, FeatureExtractor]:
    """Returns the judges of one role by name, from `<panel>/<role>`, or a judge alone.

    Raises:
        InputError: There are none, or one is damaged.
    """
    return {path.name: classifier.load(path) for path in _folders(folder)}


def facts(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns by name what is known of the judges of one role.

    Raises:
        InputError: There are none.
    """
    return {path.name: classifier.read_settings(path) for path in _folders(folder)}


def weights_sha256(folder: Path) -> dict[str, str]:
    """Returns by name the SHA-256 of the weights of the judges of one role."""
    return {name: known["weights_sha256"] for name, known in facts(folder).items()}


def _folders(folder: Path) -> Sequence[Path]:
    is_alone = (folder / SETTINGS).is_file()
    found = [folder] if is_alone else sorted(path.parent for path in folder.glob(f"*/{SETTINGS}"))
    if not found:
        expected = f"{folder} must hold judges, each in a folder with {SETTINGS}"
        raise InputError(expected, "none", "Run: dvc repro features")
    return found
