"""The registry of models: which trained model is a name's champion, by which run it was scored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.runtime.errors import InputError
from genlab.tracking import store
from genlab.tracking.addresses import open_store

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

CHAMPION = "champion"
"""The alias of the version that serves: `models:/vae@champion`."""


@dataclass(frozen=True)
class Version:
    """A registered trained model.

    Attributes:
        name: The model's name in `params.yaml`, and in the registry.
        number: Counts from 1.
        tags: `genlab.train_key`, `genlab.dataset` and others.
        scores: `scores.json` of the run that it was registered with; empty where that is gone.
    """

    name: str
    number: int
    tags: Mapping[str, str]
    scores: Mapping[str, Any]

    @property
    def address(self) -> str:
        """`models:/vae/3`."""
        return f"models:/{self.name}/{self.number}"


def champion(name: str) -> Version | None:
    """Returns the present champion of a name; None where there is none.

    Raises:
        InputError: The store does not answer.
    """
    from mlflow.exceptions import MlflowException

    client, uri = open_store()
    try:
        found = client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    scores = _scores(found.run_id, uri) if found.run_id else {}
    return Version(name, int(found.version), dict(found.tags), scores)


def _scores(run_id: str, uri: str) -> dict[str, Any]:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        path = download_artifacts(
            run_id=run_id, artifact_path="scores/scores.json", tracking_uri=uri
        )
    except (OSError, MlflowException):
        return {}
    return json.loads(Path(path).read_text())


def has_model(train_key: str) -> bool:
    """Says whether the experiment has the logged model of a training."""
    return _logged_model(train_key) is not None


def _logged_model(train_key: str) -> "LoggedModel | None":
    client, uri = open_store()
    experiment = store.experiment_id(client, uri, store.experiment_name())
    found = client.search_logged_models([experiment], f"tags.`genlab.train_key` = '{train_key}'")
    ready = [model for model in found if str(model.status) == "READY"]
    return max(ready, key=lambda model: model.creation_timestamp, default=None)


def crown(
    name: str, run_id: str, train_key: str, tags: Mapping[str, str], description: str
) -> Version:
    """Registers the logged model of a training as the newest version of `name`, and makes that the champion.

    Args:
        name: The model's name; it is registered at its first version.
        run_id: The run that holds its scores.
        train_key: Of the training.
        tags: Of the version.
        description: Of the version, Markdown.

    Raises:
        InputError: The training has no logged model.
    """
    from mlflow.exceptions import MlflowException

    client, uri = open_store()
    model = _logged_model(train_key)
    if model is None:
        raise InputError(
            f"the model of the training {train_key} must be in MLflow at {store.address(uri)}",
            "none",
            "Run: genlab sync",
        )
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"models:/{model.model_id}"
    version = client.create_model_version(
        name, source, run_id, dict(tags), description=description, model_id=model.model_id
    )
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return Version(name, int(version.version), dict(tags), {})
