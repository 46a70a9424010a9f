"""What is scored: one trained model, on one split of one data set, and how every number came about."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import genlab
from genlab.features.extractor import Extractor
from genlab.imaging.arrays import Split, part_outliers, read_description, read_split, to_float
from genlab.measurement.evidence import Protocol
from genlab.runtime.errors import InputError
from genlab.settings.params import Evaluation, Params
from genlab.trained.model import TrainedModel


@dataclass(frozen=True)
class Task:
    """One evaluation.

    Attributes:
        model: What was trained.
        extractor: Where distances are measured.
        data: A fetched data set.
        params: All parameters.
        seed: Of all that is drawn; the same for every model, so that their protocols are equal.
        inception: The published network, where it is given.
        split: Whose images are real: `test`, or `validation` where settings are chosen.
    """

    model: TrainedModel
    extractor: Extractor
    data: Path
    params: Params
    seed: int
    inception: Extractor | None = None
    split: str = "test"

    def check(self) -> None:
        """Raises an InputError where the images have not the shape of those that the model was trained on."""
        if self.real.images.shape[1:] != self.model.image_shape:
            raise InputError(
                f"{self.data} must hold images of the shape {self.model.image_shape}, on which {self.model.settings['name']} was trained",
                str(self.real.images.shape[1:]),
                "Run: dvc repro",
            )

    @property
    def settings(self) -> Evaluation:
        """How many images, and the settings of each part."""
        return self.params.evaluation

    @property
    def kind(self) -> str:
        """The model's chapter: `vae`."""
        return str(self.model.settings["kind"])

    @property
    def binarisation(self) -> str:
        """Whether the model was trained on grey images (`none`) or on draws of black and white."""
        return str(self.model.settings.get("binarisation", "none"))

    @cached_property
    def real(self) -> Split:
        """The images of the split of classes that train has, uint8, and their labels."""
        return self._parted[0]

    @property
    def held_out(self) -> Split:
        """The images of the split of classes that were held out of train."""
        return self._parted[1]

    @cached_property
    def _parted(self) -> tuple[Split, Split]:
        return part_outliers(read_split(self.data, self.split), self.description)

    @cached_property
    def description(self) -> dict[str, Any]:
        """What is known of the data set."""
        return read_description(self.data)

    @cached_property
    def train(self) -> Split:
        """The images that the model was trained on, uint8, memory-mapped, and their labels."""
        return read_split(self.data, "train")

    @cached_property
    def floats(self) -> np.ndarray:
        """All test images as the model sees them, float32 in [0, 1]."""
        return to_float(self.model.as_seen(self.real.images))

    def protocol(self, num_images: int, **more: Any) -> Protocol:
        """Returns how a number on `num_images` real images came about."""
        common = {
            "split": self.split,
            "num_real": num_images,
            "quantisation": "none",
            "resize": "none",
        }
        common |= {"binarisation": self.binarisation}
        return common | {"genlab_version": genlab.__version__, "seed": self.seed} | more
