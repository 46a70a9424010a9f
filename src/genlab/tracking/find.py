"""Finds runs by what they are (tags), never by a stored id alone."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from genlab.runtime import workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

STUDY = "genlab.study"
"""The tag of a study's trials: its name."""


def is_active(client: "MlflowClient", run_id: str) -> bool:
    """Says whether the store holds this run, not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _search(client: "MlflowClient", experiment_id: str, **tags: str) -> "list[MlflowRun]":
    conditions = [f"tags.`genlab.{key}` = '{value}'" for key, value in tags.items()]
    return list(
        client.search_runs(
            [experiment_id], " and ".join(conditions), order_by=["attributes.start_time DESC"]
        )
    )


def by_journal(client: "MlflowClient", experiment_id: str, journal: str) -> "MlflowRun | None":
    """Returns the run that this journal made or took over.

    A server that answered too late may have made it twice: the fuller one is kept.
    """
    runs = _search(client, experiment_id, journal=journal)
    runs.sort(key=lambda run: len(run.data.metrics), reverse=True)
    for double in runs[1:]:
        client.delete_run(double.info.run_id)
    return runs[0] if runs else None


def unfinished_training(
    client: "MlflowClient", experiment_id: str, training_id: str
) -> "MlflowRun | None":
    """Returns the run of this training when it was not finished and its journal is lost.

    A training's finished run is never reopened, a study's and its trials' are: a study may go on with more trials, and
    a trial runs again whose end its tuner did not hear of. One whose journal is here belongs to that journal.
    """
    runs = _search(client, experiment_id, training_id=training_id)
    lost = [
        run
        for run in runs
        if not workspace.state("tracking", run.data.tags.get("genlab.journal", "none")).exists()
    ]
    return next((run for run in lost if run.info.status != "FINISHED" or _is_of_study(run)), None)


def _is_of_study(run: "MlflowRun") -> bool:
    return run.data.tags["genlab.run"] == "study" or STUDY in run.data.tags


def to_score(
    client: "MlflowClient", experiment_id: str, train_key: str, protocol: str
) -> "MlflowRun | None":
    """Returns the run that takes the scores: the newest finished training, else an earlier scoring of this protocol.

    A training that holds scores of another protocol does not take these.
    """
    runs = _search(client, experiment_id, train_key=train_key)
    trainings = [
        run
        for run in runs
        if run.data.tags.get("genlab.run") == "training" and run.info.status == "FINISHED"
    ]
    scorings = [run for run in runs if run.data.tags.get("genlab.run") == "scoring"]
    if trainings and trainings[0].data.tags.get("genlab.protocol", protocol) == protocol:
        return trainings[0]
    return next((run for run in scorings if run.data.tags.get("genlab.protocol") == protocol), None)


def last_steps(client: "MlflowClient", run: "MlflowRun") -> dict[str, int]:
    """Returns the last step of each metric of a run."""
    run_id = run.info.run_id
    return {
        key: max(point.step for point in client.get_metric_history(run_id, key))
        for key in run.data.metrics
    }


def unlike(metrics: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Returns the metrics that are not in `known` with the same value (NaN is the same as NaN)."""
    return {
        key: value
        for key, value in metrics.items()
        if key not in known
        or not (value == known[key] or (math.isnan(value) and math.isnan(known[key])))
    }
