"""From an address of MLflow's model registry to a local folder with a trained model."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.tracking import store
from genlab.tracking.run import one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

REGISTRY = "models:/"
FORMS = "models:/<model>@champion, models:/<model>/<version> or models:/<id of a logged model>"
ADDRESS = re.compile(
    r"models:/(?P<id>m-[0-9a-f]{32})|models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))"
)


def open_store() -> "tuple[MlflowClient, str]":
    """Returns a client for the store of runs and registered models, and the store's address; a local one is made.

    Raises:
        InputError: The server does not answer.
    """
    uri = store.present_uri()
    try:
        return store.connect(uri), uri
    except OSError as error:
        raise InputError(
            f"MLflow must answer at {store.address(uri)}",
            str(one_line(error, 120)),
            "See MLFLOW_TRACKING_URI",
        ) from None


def trained_folder(address: str, below: Path = Path()) -> Path:
    """Returns a trained model's folder, of an address as `model_folder` takes it; any other is a path below `below`."""
    return model_folder(address) if address.startswith(REGISTRY) else below / address


def model_folder(address: str) -> Path:
    """Returns the local folder, with `settings.json` and weights, of the trained model at this address.

    A local store's own folder is returned, not to be written to; what a server has is fetched once, below `.genlab/`.

    Args:
        address: `models:/vae@champion`, `models:/vae/3`, or `models:/m-...`, a logged model's id.

    Raises:
        InputError: The address has another form, there is no such model, or the store does not answer.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise InputError(
            f"a registered model's address must be {FORMS}",
            f"{address!r}",
            "See genlab promote",
        )
    wanted = store.present_uri()
    if not store.is_there(wanted):  # a question makes none
        raise InputError(
            f"MLflow's store must be at {store.address(wanted)}",
            "no such file",
            "Run: dvc repro",
        )
    client, uri = open_store()
    location = _location(client, uri, match)
    artifacts = _local(location, uri)
    found = next(iter(sorted(artifacts.glob("*/settings.json"))), None)
    if found is None:
        raise InputError(
            f"{address} must hold a trained model",
            f"no settings.json in {artifacts}",
            "Train and log it again: dvc repro",
        )
    return found.parent


def _location(client: "MlflowClient", uri: str, match: re.Match[str]) -> str:
    from mlflow.exceptions import MlflowException

    try:
        if match["id"]:
            return client.get_logged_model(match["id"]).artifact_location
        if match["alias"]:
            version = client.get_model_version_by_alias(match["name"], match["alias"])
        else:
            version = client.get_model_version(match["name"], match["version"])
        if version.model_id:
            return client.get_logged_model(version.model_id).artifact_location
        return client.get_model_version_download_uri(version.name, version.version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise InputError(
            f"{match[0]} must be in MLflow at {store.address(uri)}",
            str(one_line(error, 120)),
            f"Run: genlab promote {match['name'] or '<model>'}",
        ) from None


def _local(location: str, uri: str) -> Path:
    """Returns the folder of a logged model's artifacts on this machine; it is fetched where it is elsewhere."""
    from mlflow.artifacts import download_artifacts
    from mlflow.utils.file_utils import local_file_uri_to_path
    from mlflow.utils.uri import is_local_uri

    if is_local_uri(location):
        return Path(local_file_uri_to_path(location)) / "artifacts"
    target = workspace.state("registry", re.sub(r"\W+", "-", location).strip("-"))
    if not target.is_dir():
        with replacing(target) as building:
            download_artifacts(
                artifact_uri=f"{location}/artifacts", dst_path=str(building), tracking_uri=uri
            )
    return target / "artifacts"
