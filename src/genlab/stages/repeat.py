"""Stage `repeat`: further trainings of one model, each of a seed of its own, and their scores."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genlab import evaluation, tracking, training
from genlab.evaluation import Task, results
from genlab.features import inception, judges
from genlab.networks import devices
from genlab.runtime import progress, workspace
from genlab.runtime.files import check_free, replacing
from genlab.settings import seeds
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.workflows import recorded_training


@dataclass(frozen=True)
class RepeatPaths:
    """Where inputs and outputs are, as dvc.yaml says.

    Attributes:
        images: The fetched data set.
        features: The judges of both roles.
        out: The scores, JSON: a list, empty where each model is trained once.
    """

    images: Path
    features: Path
    out: Path


def run(params: Params, name: str, paths: RepeatPaths) -> None:
    """Trains the model `training.num_seeds - 1` times more and scores each training.

    The scores are those of the stage `evaluate`, on the same images and draws: only the training
    differs. A training that is finished is not repeated after a kill.

    Raises:
        InputError: A training cannot be run, or `paths.out` holds something else.
    """
    check_free(paths.out)
    trainings = list(_trainings(params, name, paths))
    with replacing(paths.out) as building:
        text = json.dumps({"trainings": trainings}, indent=2, allow_nan=False)
        building.write_text(text + "\n")


def _trainings(params: Params, name: str, paths: RepeatPaths) -> Iterator[dict[str, Any]]:
    number = params.training.num_seeds
    for index in range(1, number):
        progress.note(f"{name}: training {index + 1} of {number}")
        folder = workspace.state("repeated", name, str(index))
        own = params.model_copy(update={"seed": params.seed + index})
        job = training.prepare(own, name, paths.images, paths.features / judges.SELECTION)
        recorded_training.run(job, folder / "model", folder / "timings")
        yield {"seed": own.seed, **_score(params, folder / "model", paths)}


def _score(params: Params, folder: Path, paths: RepeatPaths) -> dict[str, Any]:
    """Returns what `scores.json` says of the training in `folder`."""
    devices.configure("float32", deterministic=True)
    model, panel = trained_model.load(folder), judges.load(paths.features / judges.REPORTING)
    published = inception.from_params(params.evaluation.inception)
    seed = seeds.derive(params.seed, "evaluate")
    scores = evaluation.measure(Task(model, panel, paths.images, params, seed, published))
    with tracking.scoring_run(
        train_key=model.settings["train_key"],
        name=model.name,
        kind=model.kind,
        protocol=results.protocol_hash(scores),
    ) as tracked:
        tracked.log_metrics(scores.values(), step=0)
    metrics = {metric: score.to_json() for metric, score in scores.metrics.items()}
    return {**results.facts_of(scores, model), "metrics": metrics}
