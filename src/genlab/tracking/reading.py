"""Reads runs back from MLflow, for pages that compare them."""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError
from genlab.tracking import registry, store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

PICTURES = "evaluation"
MAX_NAMED = 8
"""Runs that an error names."""


@dataclass(frozen=True)
class Fetched:
    """One run.

    Attributes:
        run_id: MLflow's.
        name: Its name there.
        model: The model's name in `params.yaml`; empty for a run without a model.
        kind: The model's chapter.
        tags: As MLflow has them.
        params: As MLflow has them, flat.
        scores: Its `scores.json`: metrics with interval and protocol; empty if it was not scored.
        history: Steps and values of each metric, ascending, if it has more than one step.
        pictures: The PNG of each image grid by name: `prior_samples`.
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
        names: For each run its id, the first 8 letters of it or more, its name, or its model's
            name. Of several runs with one name the newest is taken.

    Raises:
        InputError: MLflow does not answer, or has no such run.
    """
    with store.opened() as (client, uri):
        experiment = client.get_experiment_by_name(store.experiment_name())
        runs = _all_runs(client, experiment.experiment_id) if experiment else []
        chosen = {run.info.run_id: run for run in (_choose(runs, name, uri) for name in names)}
        return [_read(client, run, uri) for run in chosen.values()]


def _all_runs(client: "MlflowClient", experiment_id: str) -> "list[MlflowRun]":
    """Returns all runs: those with scores first, and of each half the newest first."""
    runs: list[MlflowRun] = []
    newest_first, token = ["attributes.start_time DESC"], None
    while True:
        page = client.search_runs([experiment_id], order_by=newest_first, page_token=token)
        runs += page
        token = page.token
        if not token:
            return sorted(runs, key=lambda run: "genlab.protocol" not in run.data.tags)


def _choose(runs: "list[MlflowRun]", name: str, uri: str) -> "MlflowRun":
    is_id = re.fullmatch(r"[0-9a-f]{8,32}", name)
    for run in runs:
        if (is_id and run.info.run_id.startswith(name)) or run.info.run_name == name:
            return run
    for run in runs:
        if run.data.tags.get("genlab.model") == name:
            return run
    known = list(dict.fromkeys(str(run.info.run_name) for run in runs))
    more = ", ..." if len(known) > MAX_NAMED else ""
    place = f"the experiment {store.experiment_name()} in MLflow at {shown(uri)}"
    raise InputError(
        f"--runs must name runs of {place}, by id, name or model",
        f"{name!r}",
        f"Its runs: {', '.join(known[:MAX_NAMED]) or 'none'}{more}. See: make ui",
    )


def _read(client: "MlflowClient", run: "MlflowRun", uri: str) -> Fetched:
    run_id, tags = run.info.run_id, dict(run.data.tags)
    with tempfile.TemporaryDirectory() as folder:
        scores = _download(client, run_id, "scores", folder).get(registry.SCORES)
        pictures = _download(client, run_id, PICTURES, folder)
    return Fetched(
        run_id=run_id,
        name=str(run.info.run_name),
        model=tags.get("genlab.model", ""),
        kind=tags.get("genlab.kind", ""),
        tags=tags,
        params=dict(run.data.params),
        scores=json.loads(scores) if scores else {},
        history=_history(client, run),
        pictures={
            Path(path).stem: content
            for path, content in sorted(pictures.items())
            if path.endswith(".png")
        },
        url=store.run_page(uri, run.info.experiment_id, run_id),
    )


def _history(client: "MlflowClient", run: "MlflowRun") -> dict[str, tuple[list[int], list[float]]]:
    history = {}
    for key in sorted(run.data.metrics):
        if key.startswith("system/"):  # the machine's, over time
            continue
        metrics = client.get_metric_history(run.info.run_id, key)
        points = sorted((metric.step, metric.value) for metric in metrics)
        if len(points) > 1:
            history[key] = ([step for step, _ in points], [value for _, value in points])
    return history


def _download(client: "MlflowClient", run_id: str, folder: str, into: str) -> dict[str, bytes]:
    """Returns the content of the files that the stage `evaluate` logged to a folder, by path."""
    paths = [file.path for file in client.list_artifacts(run_id, folder) if not file.is_dir]
    files = {path: Path(client.download_artifacts(run_id, path, into)) for path in paths}
    return {path: file.read_bytes() for path, file in files.items()}
