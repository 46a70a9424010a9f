"""Typed parameters: `params.yaml` with the overlays of data set and profile, checked at the door.

`load` merges layers, later ones win: the file's own sections, `datasets.<data.name>`, of its
`sizes` the one for the images' size, and `profiles.<profile>`. In an overlay, `models.<x>` applies
to the model named `x` alone: a variant under another name is what its own entry says.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from genlab.runtime.errors import InputError
from genlab.settings import faults
from genlab.settings.judges import Features
from genlab.settings.overlays import lay_dataset_over, lay_over, mapping, read_yaml
from genlab.settings.plugins import check_among
from genlab.settings.section import Section


class Data(Section):
    """Which images, and how they are split."""

    name: str
    directory: str
    image_size: tuple[PositiveInt, PositiveInt] | None
    channels: Literal[1, 3]
    split_folders: Literal["auto", "none"]
    label_column: str | None
    hub_name: str | None
    validation_share: float = Field(gt=0, lt=1)
    test_share: float = Field(gt=0, lt=1)
    binarisation: Literal["none", "dynamic"]
    inputs: Literal["none", "grey", "edges", "masked", "small"]
    held_out_classes: tuple[Annotated[str, Field(coerce_numbers_to_str=True)], ...]


class Validation(Section):
    """What a valid data set is, where the data set's own profile does not say."""

    max_class_imbalance: float = Field(ge=1)
    min_images_per_class: int = Field(ge=1)
    max_mean_deviation: float = Field(gt=0)


class Training(Section):
    """How every model is trained; what is particular to one lies in its own entry."""

    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
    deterministic: bool
    log_every_steps: int = Field(ge=1)
    validate_every_steps: int = Field(ge=1)
    checkpoint_every_seconds: float = Field(gt=0)
    checkpoint_every_steps: int | None = Field(ge=1)
    resident_megabytes: float = Field(ge=0)
    num_pictures: int = Field(ge=1)
    num_picture_times: int = Field(ge=2)
    num_validation_images: int = Field(ge=1)
    density_components: int = Field(ge=1)
    density_images: int = Field(ge=1)
    num_seeds: int = Field(ge=1)


class Inversion(Section):
    """Reconstruction by optimising the latent, the same for all models that decode."""

    num_images: int = Field(ge=1)
    num_starts: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class InceptionGraph(Section):
    """The published Inception graph, for distances that compare with published ones, or null."""

    graph: str | None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None

    @model_validator(mode="after")
    def _graph_is_named_by_its_sum(self) -> "InceptionGraph":
        if self.graph is not None and self.sha256 is None:  # DVC watches this file, not the graph's
            raise ValueError(
                f"sha256 must be given with a graph. Received: none for graph={self.graph}"
            )
        return self


class Likelihood(Section):
    """Likelihood by importance sampling, for models that have a posterior."""

    num_images: int = Field(ge=1)
    num_samples: int = Field(ge=1)


class FewLabelsSettings(Section):
    """Fine-tuning of a trained encoder on few labels, against the network from random weights."""

    labels_per_class: int = Field(ge=1)
    num_draws: int = Field(ge=2)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)


class RepresentationsSettings(Section):
    """Vectors that a classifier is trained on."""

    num_train: int = Field(ge=2)


class Outliers(Section):
    """Images of another kind: the data set that they are of."""

    data: str | None


class Evaluation(Section):
    """How many images are scored, how often, and by which metrics, which check their settings."""

    num_images: int = Field(ge=2)
    num_repeats: int = Field(ge=2)
    metrics: dict[str, dict[str, Any]]
    inversion: Inversion
    inception: InceptionGraph
    likelihood: Likelihood
    few_labels: FewLabelsSettings
    representations: RepresentationsSettings
    outliers: Outliers


class Search(Section):
    """How `genlab tune` searches, whichever model it is for."""

    storage: str | None
    workers: int = Field(ge=1)
    method: Literal["sampler", "halving", "population"]
    rungs: int = Field(ge=2)
    reduction_factor: int = Field(ge=2)
    brackets: int = Field(ge=1)
    intervals: int = Field(ge=2)
    replaced: float = Field(gt=0, le=0.5)
    perturbation: float = Field(gt=1)
    resampled: float = Field(ge=0, le=1)
    sampler: Literal["tpe", "random", "cmaes", "qmc", "grid", "nsga2"]
    pruner: Literal["median", "hyperband", "none"]
    startup_trials: int = Field(ge=1)
    trial_seconds: float | None = Field(gt=0)
    num_images: int = Field(ge=2)
    num_reports: int = Field(ge=1)
    finalists: int = Field(ge=1)
    num_seeds: int = Field(ge=2)
    heartbeat_seconds: int = Field(ge=1)

    def report_every(self, steps: int) -> int:
        """Returns after how many of a trial's steps it reports, again and again."""
        return math.ceil(steps / self.num_reports)


class Tune(Section):
    """What one model is searched over; `genlab.tune` checks it against the model."""

    steps: int = Field(ge=1)
    objective: str | dict[str, float] | list[str | dict[str, float]]
    prune_by: str | None
    space: dict[str, dict[str, Any]] = Field(min_length=1)


class ModelSettings(Section):
    """What every model's entry in `params.yaml` has; a chapter's `Settings` adds its own."""

    kind: str
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    monitor: str | None
    keep: Literal["last", "best"]
    patience: int = Field(ge=0)

    @model_validator(mode="after")
    def _choice_needs_a_metric(self) -> "ModelSettings":
        if self.monitor is None and (self.keep == "best" or self.patience):
            raise ValueError(
                "monitor must name a validation metric with keep: best or patience above 0"
            )
        return self


class AdamSettings(ModelSettings):
    """What the entry of a model trained with Adam has; the chapter adds the learning rates."""

    learning_rate_schedule: Literal["constant", "cosine"]
    warmup_steps: int = Field(ge=0)
    gradient_clip_norm: float | None = Field(gt=0)
    beta_1: float = Field(ge=0, lt=1)
    beta_2: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _warmup_ends(self) -> "AdamSettings":
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps must be less than steps={self.steps}. "
                f"Received: warmup_steps={self.warmup_steps}"
            )
        return self


class Params(Section):
    """All of `params.yaml`, merged. The models' entries are checked by their chapters."""

    seed: int = Field(ge=0)
    profile: str
    data: Data
    validation: Validation
    features: Features
    training: Training
    evaluation: Evaluation
    search: Search
    tune: dict[str, Tune]
    models: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")], dict[str, Any]] = (
        Field(min_length=1)
    )

    def model(self, name: str) -> dict[str, Any]:
        """Returns the entry of one model.

        Raises:
            InputError: `params.yaml` lists no such model.
        """
        check_among(name, self.models, "model", "params.yaml: models")
        return self.models[name]


SectionType = TypeVar("SectionType", bound=BaseModel)


def build_section(section: type[SectionType], values: Mapping[str, Any], where: str) -> SectionType:
    """Returns `values` as `section`, checked.

    Args:
        section: The typed section.
        values: What was read.
        where: Where it was read, for the error: `"params.yaml: models.vae"`.

    Raises:
        InputError: A key is unknown or missing, or a value is out of its range; it names the first.
    """
    try:
        return section(**values)
    except ValidationError as error:
        raise faults.first_of(error, section, where) from None


def load(
    path: Path | str = "params.yaml",
    data_name: str | None = None,
    profile: str | None = None,
    image_shape: Sequence[int] | None = None,
) -> Params:
    """Returns the parameters of this run: the file's sections with the overlays laid over them.

    Args:
        path: The file.
        data_name: In place of the file's `data.name`.
        profile: In place of the file's `profile`.
        image_shape: Height, width and channels of the fetched images, where they are known.

    Raises:
        InputError: The file, an overlay's name, a key or a value is wrong; the message is one line.
    """
    values = read_yaml(Path(path))
    datasets = mapping(values.pop("datasets", None), f"{path}: datasets")
    profiles = mapping(values.pop("profiles", None), f"{path}: profiles")
    if data_name and isinstance(values.get("data"), dict):
        values["data"]["name"] = data_name
    profile = values["profile"] = profile or str(values.get("profile"))
    if not profiles:
        raise InputError(f"{path} must have the section profiles", "none", f"See {path}: profiles")
    check_among(profile, profiles, "profile", f"{path}: profile")
    name = str(values["data"].get("name")) if isinstance(values.get("data"), dict) else ""
    values = lay_dataset_over(values, datasets.get(name), f"{path}: datasets.{name}", image_shape)
    values = lay_over(values, profiles[profile], f"{path}: profiles.{profile}")
    return build_section(Params, values, f"{path}: ")
