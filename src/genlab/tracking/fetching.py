"""Reads finished runs back from MLflow, for pages that compare them."""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.runtime.errors import InputError
from genlab.tracking import store
from genlab.tracking.addresses import open_store
from genlab.tracking.run import one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

SCORES, PICTURES = "scores/scores.json", "evaluation"
MAX_NAMED = 8
"""Runs that an error names."""


@dataclass(frozen=True)
class Fetched:
    """One run.

    Attributes:
        run_id: MLflow's.
        name: Its name there.
        model: The model's name in `params.yaml`; empty where the run is of none.
        kind: The model's chapter.
        tags: As MLflow has them.
        params: As MLflow has them, flat.
        scores: Its `scores.json`: metrics with interval and protocol; empty where it was not scored.
        history: Per metric steps and values, ascending; metrics of one step only are left out.
        pictures: Per grid of images its PNG: `prior_samples`.
        url: The run's page on a server; empty for a local store.
    """

    run_id: str
    name: str
    model: str
    kind: str
    tags: dict[str, str]
    params: dict[str, str]
    scores: dict[str, Any]
    history: dict[str, tuple[list[int], list[float]]]
    pictures: dict[str, bytes]
    url: str


def fetch(names: Sequence[str]) -> list[Fetched]:
    """Returns runs of the present experiment.

    Args:
        names: Of each its id, the beginning of it (8 letters or more), its name, or its model's; of several that have
            a name the newest is taken.

    Raises:
        InputError: MLflow does not answer, or has no such run.
    """
    client, uri = open_store()
    try:
        experiment = client.get_experiment_by_name(store.experiment_name())
        runs = _runs(client, experiment.experiment_id) if experiment else []
        found = {run.info.run_id: run for run in (_find(runs, name, uri) for name in names)}
        return [_read(client, run, uri) for run in found.values()]
    except InputError:
        raise
    except Exception as error:  # MLflow's and its client's, of many kinds
        raise InputError(
            f"MLflow at {store.address(uri)} must answer",
            str(one_line(error)),
            "See MLFLOW_TRACKING_URI",
        ) from None


def _runs(client: "MlflowClient", experiment_id: str) -> "list[MlflowRun]":
    """Returns all runs, the newest first; those with scores before those without."""
    found: list[MlflowRun] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], order_by=["attributes.start_time DESC"], page_token=token
        )
        found, token = [*found, *page], page.token
        if not token:
            return sorted(found, key=lambda run: "genlab.protocol" not in run.data.tags)


def _find(runs: "list[MlflowRun]", name: str, uri: str) -> "MlflowRun":
    is_id = re.fullmatch(r"[0-9a-f]{8,32}", name)
    for run in runs:
        if (is_id and run.info.run_id.startswith(name)) or run.info.run_name == name:
            return run
    for run in runs:
        if run.data.tags.get("genlab.model") == name:
            return run
    known = list(dict.fromkeys(str(run.info.run_name) for run in runs))
    there = (
        f"There are: {', '.join(known[:MAX_NAMED])}{', ...' if len(known) > MAX_NAMED else ''}"
        if known
        else "There are none"
    )
    raise InputError(
        f"--runs must name runs of the experiment {store.experiment_name()} in MLflow at {store.address(uri)}, by id, name or model",
        f"{name!r}",
        f"{there}. See: make ui",
    )


def _read(client: "MlflowClient", run: "MlflowRun", uri: str) -> Fetched:
    run_id, tags = run.info.run_id, dict(run.data.tags)
    with tempfile.TemporaryDirectory() as folder:
        scores, pictures = _artifacts(client, run_id, Path(folder))
    is_server = uri.startswith(("http://", "https://"))
    return Fetched(
        run_id=run_id,
        name=str(run.info.run_name),
        model=tags.get("genlab.model", ""),
        kind=tags.get("genlab.kind", ""),
        tags=tags,
        params=dict(run.data.params),
        scores=scores,
        history=_history(client, run),
        pictures=pictures,
        url=f"{store.address(uri).rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run_id}"
        if is_server
        else "",
    )


def _history(client: "MlflowClient", run: "MlflowRun") -> dict[str, tuple[list[int], list[float]]]:
    found = {}
    for key in sorted(
        key for key in run.data.metrics if not key.startswith("system/")
    ):  # the machine's, by time
        points = sorted(
            (point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)
        )
        if len(points) > 1:
            found[key] = ([step for step, _ in points], [value for _, value in points])
    return found


def _artifacts(
    client: "MlflowClient", run_id: str, folder: Path
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns the scores and the grids that the stage `evaluate` logged, if it did."""
    scores = {}
    if any(each.path == SCORES for each in client.list_artifacts(run_id, "scores")):
        scores = json.loads(
            Path(client.download_artifacts(run_id, SCORES, str(folder))).read_text()
        )
    grids = [
        each.path for each in client.list_artifacts(run_id, PICTURES) if each.path.endswith(".png")
    ]
    return scores, {
        Path(path).stem: Path(client.download_artifacts(run_id, path, str(folder))).read_bytes()
        for path in sorted(grids)
    }
