"""Which run in MLflow a journal continues: found by tags, never by a stored id alone."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from genlab.runtime import workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

STUDY = "genlab.study"
"""The tag of a study's trials: the study's name."""


def is_active(client: "MlflowClient", run_id: str) -> bool:
    """Returns whether the store has this run, not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _search(client: "MlflowClient", experiment_id: str, key: str, value: str) -> "list[MlflowRun]":
    condition, newest_first = f"tags.`genlab.{key}` = '{value}'", ["attributes.start_time DESC"]
    return list(client.search_runs([experiment_id], condition, order_by=newest_first))


def by_journal(client: "MlflowClient", experiment_id: str, journal: str) -> "MlflowRun | None":
    """Returns the run that this journal made or took over.

    A server that answered too late may have made it twice: the fuller one is kept.
    """
    runs = _search(client, experiment_id, "journal", journal)
    runs.sort(key=lambda run: len(run.data.metrics), reverse=True)
    for duplicate in runs[1:]:
        client.delete_run(duplicate.info.run_id)
    return runs[0] if runs else None


def unfinished_training(
    client: "MlflowClient", experiment_id: str, training_id: str
) -> "MlflowRun | None":
    """Returns the run of this training if it was not finished and its journal is lost.

    A run whose journal is here belongs to that journal. A training's finished run is never
    reopened. A study's and its trials' are: a study may get more trials, and a trial runs again
    if its tuner did not learn of its end.
    """
    for run in _search(client, experiment_id, "training_id", training_id):
        tags = run.data.tags
        is_lost = not workspace.state("tracking", tags.get("genlab.journal", "none")).exists()
        is_of_study = tags["genlab.run"] == "study" or STUDY in tags
        if is_lost and (run.info.status != "FINISHED" or is_of_study):
            return run
    return None


def to_score(
    client: "MlflowClient", experiment_id: str, train_key: str, protocol: str
) -> "MlflowRun | None":
    """Returns the run that takes the scores, if there is one.

    It is the newest finished training, unless that has scores of another protocol, or an earlier
    scoring.
    """
    runs = _search(client, experiment_id, "train_key", train_key)
    for run in runs:
        if run.data.tags.get("genlab.run") == "training" and run.info.status == "FINISHED":
            if run.data.tags.get("genlab.protocol", protocol) == protocol:
                return run
            break
    wanted = {"genlab.run": "scoring", "genlab.protocol": protocol}
    return next((run for run in runs if wanted.items() <= run.data.tags.items()), None)


def last_steps(client: "MlflowClient", run: "MlflowRun") -> dict[str, int]:
    """Returns the last step of each metric of a run."""
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {key: max(point.step for point in history) for key, history in histories.items()}


def new_values(metrics: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Returns the metrics without those that `known` has with the same value; NaN equals NaN."""

    def is_known(key: str, value: float) -> bool:
        former = known.get(key)
        return value == former or (former is not None and math.isnan(value) and math.isnan(former))

    return {key: value for key, value in metrics.items() if not is_known(key, value)}
