"""What the pages show: trained and scored models, their data, and a rate-distortion curve."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genlab.contract.score import Score
from genlab.report import figures
from genlab.report.revision import Revision
from genlab.settings.params import Params

Series = tuple[np.ndarray, np.ndarray]
"""Steps, int64 (t,), and finite values, float64 (t,)."""
Arrays = dict[str, np.ndarray]
SAMPLES = "_samples"
"""Ending of the names of pictures that are samples; before it stands their source."""


@dataclass(frozen=True)
class ReportedModel:
    """One trained and scored model.

    Attributes:
        name: Its key in `params.yaml`.
        settings: Its `settings.json`.
        scores: Its finite scores by metric: `test/prior/frechet_distance`.
        skipped: By metric why there is no score.
        num_parameters: Trainable ones; None where they were not counted.
        protocol: Hash of all that the scores depend on beside the model.
        history: By column of `history.csv` its steps and values.
        progress: Per kind (`samples`, `reconstructions`) PNG files with their steps, ascending.
        pictures: uint8 NHWC by name, as `genlab.evaluation` wrote them: `prior_samples`.
        arrays: By the name of another file of the evaluation (`latents`, `traversals`, ...) its
            arrays; `histograms` is of the training.
        timings: train_seconds, images_per_second, device, run_url; those that are known.
    """

    name: str
    settings: dict[str, Any]
    scores: dict[str, Score]
    skipped: dict[str, str] = field(default_factory=dict)
    num_parameters: int | None = None
    protocol: str = ""
    history: dict[str, Series] = field(default_factory=dict)
    progress: dict[str, list[tuple[int, Path]]] = field(default_factory=dict)
    pictures: Arrays = field(default_factory=dict)
    arrays: dict[str, Arrays] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its chapter: `vae`."""
        return str(self.settings["kind"])

    @property
    def given(self) -> list[str]:
        """The fields that its samples are given."""
        return list(self.settings.get("given", []))

    @property
    def encodes(self) -> bool:
        """Whether it has an encoder."""
        return "latents" in self.arrays

    @property
    def latent_dim(self) -> int | None:
        """Size of a latent; None where there is no latent vector."""
        size, shape = self.setting("latent_dim"), self.settings.get("noise_shape") or []
        return size if isinstance(size, int) else shape[0] if len(shape) == 1 else None

    @property
    def sources(self) -> list[str]:
        """What its samples were drawn from: `prior`, `fitted`."""
        return [name.removesuffix(SAMPLES) for name in self.pictures if name.endswith(SAMPLES)]

    @property
    def num_trainings(self) -> int:
        """How many trainings its numbers are of."""
        return max((len(score.trainings) for score in self.scores.values()), default=0) or 1

    def setting(self, key: str) -> Any:
        """Returns one of the settings that it was trained with, or None."""
        return self.settings["settings"].get(key)

    def value(self, metric: str) -> float | None:
        """Returns the value of a score, or None."""
        score = self.scores.get(metric)
        return score.value if score else None

    def reason(self, metric: str) -> str:
        """Returns why there is no score of a metric."""
        return self.skipped.get(metric, "not measured")


class RateDistortion(NamedTuple):
    """The curve of a VAE over the weight of its KL: columns of numbers, and their protocol."""

    points: dict[str, list[float]]
    protocol: dict[str, Any]


@dataclass(frozen=True)
class Laboratory:
    """All that the page of all models shows."""

    params: Params
    dataset: dict[str, Any]
    validation: dict[str, Any]
    judges: dict[str, dict[str, Any]]
    models: list[ReportedModel]
    images: Path
    revision: Revision
    rate_distortion: RateDistortion | None = None

    def accent(self, model: ReportedModel) -> str:
        """Returns the model's colour, the same on every page."""
        return figures.accent([*self.params.models].index(model.name))

    def alone(self, model: ReportedModel) -> "Laboratory":
        """Returns the same with this model only."""
        return dataclasses.replace(self, models=[model])

    @property
    def shape(self) -> str:
        """The images' shape in words."""
        return " × ".join(map(str, self.dataset["image_shape"]))

    @property
    def num_real(self) -> int:
        """The number of real test images that samples are compared with."""
        return min(self.params.evaluation.num_images, int(self.dataset["num_images"]["test"]))

    @property
    def feature_dim(self) -> int:
        """The number of features that Fréchet distances are measured on."""
        return int(next(iter(self.judges.values()))["settings"]["feature_dim"])
