"""What is scored: one trained model, on one split of one data set; and how numbers came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import genlab
from genlab.contract.evidence import Protocol
from genlab.contract.fields import read_arrays
from genlab.features import inception, judges
from genlab.features.extractor import Extractor
from genlab.imaging.arrays import (
    Split,
    choice_of,
    choose_rows,
    held_out_labels,
    part_outliers,
    read_description,
    read_split,
    to_float,
)
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.params import Evaluation, Params
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel


@dataclass(frozen=True)
class Task:
    """One evaluation.

    Attributes:
        model: What was trained.
        judges: By name what distances are measured by: selection judges on the split `validation`,
            reporting judges on `test`.
        data: A fetched data set.
        params: All parameters.
        seed: Of all that is drawn; the same for every model, so that their protocols are equal.
        inception: The published network, where it is given.
        split: Whose images are real: `test`, or `validation` where settings are chosen.
    """

    model: TrainedModel
    judges: Mapping[str, Extractor]
    data: Path
    params: Params
    seed: int
    inception: Extractor | None = None
    split: str = "test"

    @classmethod
    def of_test(cls, params: Params, folder: Path, data: Path, reporting: Path) -> "Task":
        """Returns the evaluation of the trained model in `folder` on the test images.

        Args:
            params: All parameters; their seed is that of all that is drawn.
            folder: A trained model.
            data: A fetched data set.
            reporting: The folder of the reporting judges.

        Raises:
            InputError: The model or the judges are missing or damaged.
        """
        model, panel = trained_model.load(folder), judges.load(reporting)
        published = inception.from_params(params.evaluation.inception)
        return cls(model, panel, data, params, seeds.derive(params.seed, "evaluate"), published)

    def check(self) -> None:
        """Raises an InputError where the images have another shape than the model's."""
        shape = self.real.images.shape[1:]
        if shape != self.model.image_shape:
            raise InputError(
                f"{self.data} must hold images of the shape {self.model.image_shape}, on which "
                f"{self.model.name} was trained",
                str(shape),
                "Run: dvc repro",
            )

    @property
    def settings(self) -> Evaluation:
        """How many images, and the settings of each part."""
        return self.params.evaluation

    @property
    def binarisation(self) -> str:
        """Whether the model was trained on grey images (`none`) or on black-and-white draws."""
        return str(self.model.settings.get("binarisation", "none"))

    @cached_property
    def real(self) -> Split:
        """The split's images of the classes that train has, uint8, and their labels."""
        return part_outliers(self._whole, self.description)[0]

    @cached_property
    def held_out(self) -> Split:
        """The split's images of the classes that train lacks."""
        return part_outliers(self._whole, self.description)[1]

    @cached_property
    def _whole(self) -> Split:
        return read_split(self.data, self.split)

    @cached_property
    def description(self) -> dict[str, Any]:
        """What is known of the data set."""
        return read_description(self.data)

    @cached_property
    def train(self) -> Split:
        """The train images, uint8, memory-mapped, and their labels."""
        return read_split(self.data, "train")

    @cached_property
    def floats(self) -> np.ndarray:
        """The images of `real` as the model sees them, float32 in [0, 1]."""
        return seen(self.model, self.real.images)

    def rows(self, num_images: int) -> np.ndarray:
        """Returns the rows of `real` that a number on `num_images` images is of."""
        return choose_rows(self.real.labels, num_images)

    @cached_property
    def subset(self) -> np.ndarray:
        """The rows of `real` on which latents are searched, and of which pages show the first."""
        return self.rows(self.settings.inversion.num_images)

    def given(self, fields: Sequence[str], num_images: int) -> dict[str, np.ndarray]:
        """Returns the split's own rows of what samples are given, (num_images, *shape) by field.

        They belong to the images of `rows(num_images)`; where these are too few, they repeat.
        """
        inliers = ~np.isin(self._whole.labels, held_out_labels(self.description))
        rows = np.resize(np.flatnonzero(inliers)[self.rows(num_images)], num_images)
        arrays = read_arrays(self.data, self.split, fields)
        return {name: array[rows % len(array)] for name, array in arrays.items()}

    def protocol(self, num_images: int, given: Sequence[str] = (), **more: Any) -> Protocol:
        """Returns how a number on `num_images` real images came about."""
        protocol = {
            "split": self.split,
            "num_real": num_images,
            "real_images": choice_of(self.real.labels, num_images),
            "quantisation": "none",
            "resize": "none",
            "binarisation": self.binarisation,
            "genlab_version": genlab.__version__,
            "seed": self.seed,
        }
        if given:
            protocol["given"] = f"{', '.join(given)} of the {self.split} split"
        return protocol | more


def seen(model: TrainedModel, images: np.ndarray) -> np.ndarray:
    """Returns uint8 images as the model sees them, float32 in [0, 1]."""
    return to_float(model.as_seen(np.asarray(images)))
