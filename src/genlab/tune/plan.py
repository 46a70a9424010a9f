"""What a search tries: from params.yaml, checked before anything is computed, to each order."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import genlab
from genlab import tracking, training
from genlab.contract.batches import empty_batch
from genlab.features import judges
from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Params, Search, Tune
from genlab.settings.plugins import nearest
from genlab.training import Pause
from genlab.tune import changeable, objective, sampling, space, storage
from genlab.tune.objective import Objective
from genlab.tune.pauses import PAUSES, POPULATION, SAMPLER
from genlab.tune.space import Space
from genlab.tune.trial import NUM_REPEATS, Stage, TrialOrder

NAME = r"[A-Za-z0-9][\w.\-]*"
"""A study's name, which is a folder's too."""
GOING_ON = {"method", "brackets", "reduction_factor", "replaced", "perturbation", "resampled"}
"""Parameters of a search that a study whose trials go on must keep."""
ALSO_CONFIRMED = ("frechet_distance", "reconstruction_error", "negative_elbo")
"""Metrics of a training in full, beside the objective's."""


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
        """MLflow's experiment of searches, apart from the official runs."""
        return f"{tracking.experiment_name()}-tune"

    @property
    def seeds(self) -> list[int]:
        """Of the trainings in full.

        The first is the pipeline's own, which chooses among the finalists; the others, which chose
        nothing, judge.
        """
        return [self.params.seed + index for index in range(1 + self.params.search.num_seeds)]

    @property
    def names(self) -> list[str]:
        """The settings that are searched."""
        return list(self.space.distributions)

    @property
    def present(self) -> dict[str, Any]:
        """The present settings that are searched."""
        return self.space.settings(self.space.present)

    def point(self, values: Mapping[str, float]) -> list[float]:
        """Returns the objectives on validation images so that low is better; or `Unmeasured`."""
        return [goal.sign * goal.of(values) for goal in self.objectives]

    def trial_params(self, settings: Mapping[str, Any]) -> Params:
        """Returns all parameters of a trial: short, and scored by the objective's metrics alone."""
        search, steps = self.params.search, self.tune.steps
        short = {"steps": steps, "monitor": self.tune.prune_by, "keep": "last", "patience": 0}
        validated = {
            "validate_every_steps": search.report_every(steps),
            "num_validation_images": search.num_images,
            "num_picture_times": 2,
        }
        scored = {
            "num_images": search.num_images,
            "num_repeats": NUM_REPEATS,
            "metrics": self._metrics(),
        }
        return self._params({**settings, **short}, validated, scored)

    def full_params(self, settings: Mapping[str, Any], index: int) -> Params:
        """Returns all parameters of the training in full with the seed of this index."""
        params = self._params(settings, {}, {"metrics": self._metrics(ALSO_CONFIRMED)})
        return params.model_copy(update={"seed": self.params.seed + index})

    def _metrics(self, also: Collection[str] = ()) -> dict[str, Any]:
        names = set(objective.metrics(self.objectives))
        entries = self.params.evaluation.metrics
        return {
            metric: entry
            for metric, entry in entries.items()
            if metric in also or names & set(_metric(metric).MEASURES)
        }

    def _params(
        self, entry: Mapping[str, Any], validated: dict[str, Any], scored: dict[str, Any]
    ) -> Params:
        params = self.params
        changes = {
            "models": {self.name: {**params.model(self.name), **entry}},
            "training": params.training.model_copy(update=validated),
            "evaluation": params.evaluation.model_copy(update=scored),
        }
        return params.model_copy(update=changes)

    @property
    def pauses(self) -> list[int]:
        """The steps at which a trial that goes on is measured; the last ones are all its steps."""
        search = self.params.search
        return PAUSES[search.method](search, self.tune.steps, f"params.yaml: tune.{self.name}")

    def trial_order(
        self,
        settings: Mapping[str, Any],
        number: int,
        share: tuple[int, int],
        parent: str | None,
        pause: Pause | None = None,
    ) -> TrialOrder:
        """Returns the order of a trial, or of a part of it, which reports nothing to a pruner.

        Optuna takes no reports if there are several objectives.
        """
        order = self.order(self.trial_params(settings), f"trial {number}", share, parent)
        is_reporting = len(self.objectives) == 1 and not pause
        prune_by = self.tune.prune_by if is_reporting else None
        order = replace(order, own_by=self.trial_params({}), settings=settings if pause else {})
        return replace(order, prune_by=prune_by, pause=pause)

    def training_id(self, run_name: str) -> str:
        """Returns what a killed training of this name continues by."""
        return f"{self.study_id}-{run_name.replace(' ', '-')}"

    def stages(
        self, schedule: Sequence[Mapping[str, Any]], index: int
    ) -> tuple[tuple[Stage, ...], Params | None]:
        """Returns the stages of a training in full before its last settings, and what names it.

        Each entry of the schedule has `step` and `settings`; a step keeps its share of all steps.
        """
        full = self.params.model(self.name)["steps"]
        steps = [round(entry["step"] * full / self.tune.steps) for entry in schedule]
        found = tuple(
            Stage(self.full_params(entry["settings"], index), Pause(end, start, is_shown=False))
            for entry, start, end in zip(schedule, steps, steps[1:], strict=False)
        )
        return found, self.full_params({}, index) if found else None

    def order(
        self, params: Params, run_name: str, share: tuple[int, int], parent: str | None
    ) -> TrialOrder:
        """Returns the order of a training that is measured on validation images."""
        file_name = run_name.replace(" ", "-")
        return TrialOrder(
            params=params,
            name=self.name,
            images=self.images,
            features=self.features,
            run_name=run_name,
            training_id=self.training_id(run_name),
            experiment=self.experiment,
            parent=parent,
            tags={"genlab.study": self.study_name},
            share=share,
            log=storage.folder(self.study_name) / "logs" / f"{file_name}.log",
            objectives=tuple(self.objectives),
        )

    def directions(self) -> dict[str, str]:
        """Returns whether low or high is better, by the name of every metric that may be scored."""
        modules = [_metric(name) for name in self.params.evaluation.metrics]
        measures = [item for module in modules for item in module.MEASURES.items()]
        return {name: measure.direction for name, measure in measures} | {
            objective.TRAIN_SECONDS: "lower"
        }


def _metric(name: str) -> Any:
    return plugins.find("metrics", name, "params.yaml: evaluation.metrics")


def make(params: Params, name: str, study_name: str | None, images: Path, features: Path) -> Plan:
    """Returns the search for the model `name`; the study's name is `<model>-<data set>` by default.

    Raises:
        InputError: The model's entry, `tune` or `search` is wrong, or the data set is another one.
    """
    entry = params.model(name)
    _check_names(params, name, study_name)
    data_sha256 = _check_data(params, images)
    where, tune = f"params.yaml: tune.{name}", params.tune[name]
    alone = params.model_copy(update={"models": {name: entry}})
    job = training.prepare(alone, name, images, features / judges.SELECTION)
    searched = space.read(tune.space, job.settings, f"{where}.space")
    if params.search.sampler == sampling.GRID:
        searched.grid()  # raises if it is none
    model = job.chapter.build(job.settings, job.spec)
    objectives = objective.read(
        tune.objective, model, job.settings.kind, params.evaluation.metrics, f"{where}.objective"
    )
    objective.check_honest(objectives, list(searched.distributions), f"{where}.objective")
    known = training.validated_names(model, empty_batch(job.spec, job.takes, 1))
    training.check_monitor(tune.prune_by, known, f"{where}.prune_by")
    _check_method(params.search, len(objectives))
    if params.search.method == POPULATION:
        changeable.check(searched, job)
    plan = Plan(
        params=params,
        name=name,
        study_name=study_name or f"{name}-{params.data.name}",
        images=images,
        features=features,
        tune=tune,
        space=searched,
        objectives=objectives,
        kind=job.settings.kind,
        identity={},
    )
    plan = replace(plan, identity=_identity(plan, data_sha256, plan.pauses))
    trial = plan.trial_params({})
    training.prepare(trial, name, images, features / judges.SELECTION)  # its steps fit
    return plan


def _check_method(search: Search, num_objectives: int) -> None:
    """Raises an InputError if the method does not go with the pruner or with the storage."""
    if search.method == SAMPLER and num_objectives > 1 and search.pruner != "none":
        raise InputError(
            "pruner must be none with several objectives",
            search.pruner,
            "See params.yaml: search.pruner",
        )
    if search.method == POPULATION and search.sampler == sampling.GRID:
        raise InputError(
            "a population must have a sampler that draws",
            search.sampler,
            "See params.yaml: search.sampler",
        )
    if search.method != SAMPLER and storage.address(search):
        raise InputError(
            f"the method must be {SAMPLER} in a database: checkpoints lie on one machine",
            search.method,
            f"See params.yaml: search.method; {storage.WHERE}",
        )


def _identity(plan: Plan, data_sha256: str, pauses: list[int]) -> dict[str, Any]:
    """Returns all that values depend on except the settings tried, as JSON gives it back."""
    entry = plan.params.model(plan.name)
    varied = {*plan.space.distributions, "steps"}
    facts = {
        "space": plan.space.describe(),
        "objective": [goal.name for goal in plan.objectives],
        "steps": plan.tune.steps,
        "prune_by": plan.tune.prune_by,
        "num_images": plan.params.search.num_images,
        "present": {key: value for key, value in entry.items() if key not in varied},
        "data": data_sha256,
        "features": judges.weights_sha256(plan.features / judges.SELECTION),
        "seed": plan.params.seed,
        "genlab_version": genlab.__version__,
    }
    if pauses:
        facts["method"] = plan.params.search.model_dump(include=GOING_ON) | {"pauses": pauses}
    return json.loads(json.dumps(facts))


def _check_names(params: Params, name: str, study_name: str | None) -> None:
    if study_name is not None and not re.fullmatch(NAME, study_name):
        raise InputError(
            "a study's name must consist of letters, digits, '_', '-' and '.', and begin with a "
            "letter or a digit",
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
            f"params.yaml: tune must have an entry for {name}", "none", "See params.yaml: tune"
        )


def _check_data(params: Params, folder: Path) -> str:
    """Returns the checksum of the data set, if it is the right one."""
    description = arrays.read_description(folder)
    if description["name"] != params.data.name:
        raise InputError(
            f"{folder} must hold the data set {params.data.name} of params.yaml: data.name",
            description["name"],
            "Run: dvc repro floor",
        )
    return str(description["sha256"])
