"""Stage `repeat`: further trainings of one model, each of a seed of its own, and their scores."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genlab import evaluation, tracking, training
from genlab.evaluation import Task, results
from genlab.features import judges
from genlab.networks import devices
from genlab.runtime import progress, workspace
from genlab.runtime.files import check_free, replacing
from genlab.settings.params import Params
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
    task = Task.of_test(params, folder, paths.images, paths.features / judges.REPORTING)
    scores = evaluation.measure(task)
    with tracking.scoring_run(**results.identity(scores, task.model)) as tracked:
        tracked.log_metrics(scores.values(), step=0)
    metrics = {metric: score.to_json() for metric, score in scores.metrics.items()}
    return {**results.facts_of(scores, task.model), "metrics": metrics}
