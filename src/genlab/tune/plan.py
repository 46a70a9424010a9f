"""What a search tries: from params.yaml, checked before anything is computed, to the order of each trial."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genlab
from genlab import tracking, training
from genlab.features import classifier
from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Params, Tune
from genlab.settings.plugins import nearest
from genlab.tune import objective, sampling, space, storage
from genlab.tune.objective import Objective
from genlab.tune.space import Space
from genlab.tune.trial import NUM_REPEATS, Order

NAME = r"[A-Za-z0-9][\w.\-]*"
"""Of a study: it is a folder's, too."""
ALSO_CONFIRMED = ("frechet_distance", "reconstruction_error", "negative_elbo")
"""Metrics of the confirmation, beside the objective's."""


@dataclass(frozen=True)
class Plan:
    """One search, ready to run."""

    params: Params
    name: str
    study_name: str
    images: Path
    features: Path
    tune: Tune
    space: Space
    objectives: list[Objective]
    kind: str
    identity: dict[str, Any]

    @property
    def study_id(self) -> str:
        """What the MLflow runs of this study share."""
        text = json.dumps([self.study_name, self.identity], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def experiment(self) -> str:
        """MLflow's experiment of searches: the official runs are not among trials."""
        return f"{tracking.experiment_name()}-tune"

    def trial_params(self, settings: Mapping[str, Any]) -> Params:
        """Returns all parameters of a trial: short, and measured by the objective's metrics alone."""
        search, steps = self.params.search, self.tune.steps
        short = {"steps": steps, "monitor": self.tune.prune_by, "keep": "last", "patience": 0}
        seen = {
            "validate_every_steps": search.report_every(steps),
            "num_validation_images": search.num_images,
            "num_picture_times": 2,
        }
        names = objective.metrics(self.objectives)
        scored = {
            "num_images": search.num_images,
            "num_repeats": NUM_REPEATS,
            "metrics": {
                name: entry
                for name, entry in self.params.evaluation.metrics.items()
                if set(_measures(name)) & set(names)
            },
        }
        return self._with(settings, short, seen, scored)

    def full_params(self, settings: Mapping[str, Any], index: int) -> Params:
        """Returns all parameters of the training in full of seed `index`; the one of seed 0 is the pipeline's own."""
        names = {*objective.metrics(self.objectives)}
        metrics = {
            name: entry
            for name, entry in self.params.evaluation.metrics.items()
            if name in ALSO_CONFIRMED or set(_measures(name)) & names
        }
        params = self._with(settings, {}, {}, {"metrics": metrics})
        return params.model_copy(update={"seed": params.seed + index})

    def _with(
        self,
        settings: Mapping[str, Any],
        more: Mapping[str, Any],
        seen: dict[str, Any],
        scored: dict[str, Any],
    ) -> Params:
        entry = {**self.params.model(self.name), **settings, **more}
        return self.params.model_copy(
            update={
                "models": {self.name: entry},
                "training": self.params.training.model_copy(update=seen),
                "evaluation": self.params.evaluation.model_copy(update=scored),
            }
        )

    def trial_order(
        self, settings: Mapping[str, Any], number: int, share: tuple[int, int], parent: str | None
    ) -> Order:
        """Returns the order of a trial. Optuna takes no reports of one with several objectives."""
        prune_by = self.tune.prune_by if len(self.objectives) == 1 else None
        params, splits = self.trial_params(settings), ("validation",)
        return self._order(
            f"trial {number}",
            params=params,
            splits=splits,
            prune_by=prune_by,
            share=share,
            parent=parent,
            is_trial=True,
        )

    def full_order(
        self,
        settings: Mapping[str, Any],
        index: int,
        splits: tuple[str, ...],
        run_name: str,
        share: tuple[int, int],
        parent: str | None,
        pictures: Path,
    ) -> Order:
        """Returns the order of a training in full with seed `index`."""
        params = self.full_params(settings, index)
        return self._order(
            run_name,
            params=params,
            splits=splits,
            prune_by=None,
            share=share,
            parent=parent,
            is_trial=False,
            pictures=pictures,
        )

    def _order(self, run_name: str, **more: Any) -> Order:
        word = run_name.replace(" ", "-")
        return Order(
            name=self.name,
            images=self.images,
            features=self.features,
            run_name=run_name,
            training_id=f"{self.study_id}-{word}",
            experiment=self.experiment,
            tags={"genlab.study": self.study_name},
            objectives=tuple(self.objectives),
            log=storage.folder(self.study_name) / "logs" / f"{word}.log",
            **more,
        )


def _measures(metric: str) -> list[str]:
    return list(plugins.find("metrics", metric, "params.yaml: evaluation.metrics").MEASURES)


def make(
    params: Params, name: str, study_name: str | None, images_folder: Path, features: Path
) -> Plan:
    """Returns the search of the model `name`.

    Args:
        params: All parameters.
        name: A model in `params.yaml: models` that has an entry in `tune`.
        study_name: By default `<model>-<data set>`.
        images_folder: The fetched data set.
        features: The feature extractor's folder.

    Raises:
        InputError: Anything in the model's entry, in `tune` or in `search` cannot be; the message is one line.
    """
    entry = params.model(name)
    _check_names(params, name, study_name)
    description = _check_data(params, images_folder)
    where, tune = f"params.yaml: tune.{name}", params.tune[name]
    job = training.prepare(
        params.model_copy(update={"models": {name: entry}}), name, images_folder, features
    )
    searched = space.read(tune.space, job.settings, f"{where}.space")
    if params.search.sampler == sampling.GRID:
        searched.grid()  # it may be none
    model = job.chapter.build(job.settings, job.spec)
    objectives = objective.read(
        tune.objective, model, job.settings.kind, params.evaluation.metrics, f"{where}.objective"
    )
    objective.check_honest(objectives, list(searched.distributions), f"{where}.objective")
    training.check_monitor(model, job.spec, job.takes, tune.prune_by, f"{where}.prune_by")
    if len(objectives) > 1 and params.search.pruner != "none":
        raise InputError(
            "pruner must be none with several objectives",
            str(params.search.pruner),
            "See params.yaml: search.pruner",
        )
    found = Plan(
        params,
        name,
        study_name or f"{name}-{params.data.name}",
        images_folder,
        features,
        tune,
        searched,
        objectives,
        job.settings.kind,
        _identity(params, name, searched, objectives, description["sha256"], features),
    )
    training.prepare(
        found.trial_params({}), name, images_folder, features
    )  # the short training may not be one
    return found


def _identity(
    params: Params,
    name: str,
    searched: Space,
    objectives: list[Objective],
    data_sha256: str,
    features: Path,
) -> dict[str, Any]:
    """Returns all that the values of a study depend on beside the settings tried, as JSON gives it back."""
    tune, entry = params.tune[name], params.model(name)
    facts = {
        "space": searched.describe(),
        "objective": [each.name for each in objectives],
        "steps": tune.steps,
        "prune_by": tune.prune_by,
        "num_images": params.search.num_images,
        "present": {
            key: value
            for key, value in entry.items()
            if key not in searched.distributions and key != "steps"
        },
        "data": data_sha256,
        "features": classifier.read_settings(features)["weights_sha256"],
        "seed": params.seed,
        "genlab_version": genlab.__version__,
    }
    return json.loads(json.dumps(facts))


def _check_names(params: Params, name: str, study_name: str | None) -> None:
    if study_name is not None and not re.fullmatch(NAME, study_name):
        raise InputError(
            "a study's name must consist of letters, digits, '_', '-' and '.', and begin with one of the first two",
            f"{study_name!r}",
            "See --study",
        )
    for other in params.tune:
        if other not in params.models:
            raise InputError(
                f"params.yaml: tune must name models{nearest(other, params.models)}",
                f"{other!r}",
                f"See params.yaml: tune.{other}",
            )
    if name not in params.tune:
        raise InputError(
            f"params.yaml: tune must have an entry for {name}",
            "none",
            "See params.yaml: tune",
        )


def _check_data(params: Params, folder: Path) -> dict[str, Any]:
    description = arrays.read_description(folder)
    if description["name"] != params.data.name:
        raise InputError(
            f"{folder} must hold the data set {params.data.name} of params.yaml: data.name",
            str(description["name"]),
            "Run: dvc repro floor",
        )
    return description
