"""The model registry: from an address to a folder, and which version is a name's champion."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.runtime import workspace
from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError, one_line
from genlab.runtime.files import replacing
from genlab.tracking import store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

CHAMPION = "champion"
"""The alias of the version that serves: `models:/vae@champion`."""
SCORES = "scores/scores.json"
"""In a run's artifacts, as the stage `evaluate` logs them."""
SCHEME = "models:/"
FORMS = "models:/<model>@champion, models:/<model>/<version> or models:/<id of a logged model>"
ADDRESS = re.compile(
    r"models:/(?P<id>m-[0-9a-f]{32})|models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))"
)
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a model, a version or an alias that there is not."""


@dataclass(frozen=True)
class Version:
    """A registered trained model.

    Attributes:
        name: The model's name in `params.yaml`, and in the registry.
        number: Counts from 1.
        tags: `genlab.train_key`, `genlab.dataset` and others.
        scores: `scores.json` of the run that it was registered with; empty if that is gone.
    """

    name: str
    number: int
    tags: Mapping[str, str]
    scores: Mapping[str, Any]

    @property
    def address(self) -> str:
        """`models:/vae/3`."""
        return f"{SCHEME}{self.name}/{self.number}"


def trained_folder(address: str, below: Path = Path()) -> Path:
    """Returns a trained model's folder, by an address for `model_folder` or a path in `below`."""
    return model_folder(address) if address.startswith(SCHEME) else below / address


def model_folder(address: str) -> Path:
    """Returns the local folder, with `settings.json` and weights, of the model at this address.

    For a local store it is the store's own folder, not to be written to. A server's files are
    fetched once, to `.genlab/`.

    Args:
        address: `models:/vae@champion`, `models:/vae/3`, or `models:/m-...`, a logged model's id.

    Raises:
        InputError: The address is wrong, there is no such model, or the store does not answer.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        expected = f"a registered model's address must be {FORMS}"
        raise InputError(expected, f"{address!r}", "See genlab promote")
    uri = store.present_uri()
    if not store.is_there(uri):  # a read creates no store
        expected = f"MLflow's store must be at {shown(uri)}"
        raise InputError(expected, "no such file", "Run: dvc repro")
    with store.opened() as (client, uri):
        artifacts = _local_folder(_location(client, uri, match), uri)
    for settings in sorted(artifacts.glob("*/settings.json")):
        return settings.parent
    received = f"no settings.json in {artifacts}"
    raise InputError(f"{address} must hold a trained model", received, "Run: dvc repro")


def _location(client: "MlflowClient", uri: str, match: re.Match[str]) -> str:
    from mlflow.exceptions import MlflowException

    try:
        if match["id"]:
            return client.get_logged_model(match["id"]).artifact_location
        name, number = match["name"], match["version"]
        number = number or client.get_model_version_by_alias(name, match["alias"]).version
        return client.get_model_version_download_uri(name, number)
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        expected = f"{match[0]} must be in MLflow at {shown(uri)}"
        where = f"Run: genlab promote {match['name'] or '<model>'}"
        raise InputError(expected, one_line(error, 120), where) from None


def _local_folder(location: str, uri: str) -> Path:
    """Returns the artifacts of a logged model on this machine; fetches those of a server."""
    from mlflow.artifacts import download_artifacts
    from mlflow.utils.file_utils import local_file_uri_to_path
    from mlflow.utils.uri import is_local_uri

    if is_local_uri(location):
        return Path(local_file_uri_to_path(location)) / "artifacts"
    target = workspace.state("registry", re.sub(r"\W+", "-", location).strip("-"))
    if not target.is_dir():
        source = f"{location}/artifacts"
        with replacing(target) as building:
            download_artifacts(artifact_uri=source, dst_path=str(building), tracking_uri=uri)
    return target / "artifacts"


def champion(name: str) -> Version | None:
    """Returns the present champion of a name; None if there is none."""
    from mlflow.exceptions import MlflowException

    with store.opened() as (client, uri):
        try:
            version = client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise
        scores = _scores(version.run_id, uri) if version.run_id else {}
    return Version(name, int(version.version), dict(version.tags), scores)


def _scores(run_id: str, uri: str) -> dict[str, Any]:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        file = download_artifacts(run_id=run_id, artifact_path=SCORES, tracking_uri=uri)
    except (OSError, MlflowException):
        return {}
    return json.loads(Path(file).read_text())


def has_model(train_key: str) -> bool:
    """Returns whether the experiment has the logged model of a training."""
    with store.opened() as (client, uri):
        return _logged_model(client, uri, train_key) is not None


def _logged_model(client: "MlflowClient", uri: str, train_key: str) -> "LoggedModel | None":
    experiment = store.experiment_id(client, uri, store.experiment_name())
    models = client.search_logged_models([experiment], f"tags.`genlab.train_key` = '{train_key}'")
    ready = [model for model in models if str(model.status) == "READY"]
    return max(ready, key=lambda model: model.creation_timestamp, default=None)


def crown(
    name: str, run_id: str, train_key: str, tags: Mapping[str, str], description: str
) -> Version:
    """Registers a training's logged model as the newest version of `name`, and as its champion.

    Args:
        name: The model's name.
        run_id: The run that holds its scores.
        train_key: The training's.
        tags: The version's.
        description: The version's, Markdown.

    Raises:
        InputError: The training has no logged model.
    """
    with store.opened() as (client, uri), store.as_default(uri):
        model = _logged_model(client, uri, train_key)
        if model is None:
            expected = f"the model of training {train_key} must be in MLflow at {shown(uri)}"
            raise InputError(expected, "none", "Run: genlab sync")
        _register(client, name)
        identity, source = model.model_id, f"{SCHEME}{model.model_id}"
        version = client.create_model_version(
            name, source, run_id, dict(tags), description=description, model_id=identity
        )
        client.set_registered_model_alias(name, CHAMPION, version.version)
    return Version(name, int(version.version), dict(tags), {})


def _register(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
