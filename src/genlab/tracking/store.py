"""Where runs are stored: the tracking address, and a client for it that is safe at first use."""

import contextlib
import functools
import importlib
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from genlab.runtime import workspace
from genlab.runtime.files import replacing

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "genlab"
PROBE_SECONDS = 3
# The journal is the retry: MLflow's own would block for minutes and could create a run twice.
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def configure() -> None:
    """Sets MLflow's environment where the user has not; to be called before MLflow is imported."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # MLflow logs a traceback here and raises as well.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def warm_up() -> None:
    """Imports MLflow and its local store, which takes seconds, before a process forks."""
    configure()
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")


def explicit_uri() -> str | None:
    """Returns the address in `MLFLOW_TRACKING_URI`, relative paths below the root, or None."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    return _below_root(uri) if uri else None


def default_uri() -> str:
    """Returns the address of the local store at the workspace's root."""
    return f"sqlite:///{workspace.root() / 'mlflow.db'}"


def present_uri() -> str:
    """Returns the address of the store that runs go to: the explicit one, else the local one."""
    return explicit_uri() or default_uri()


def _below_root(uri: str) -> str:
    root = workspace.root()
    if match := re.fullmatch(r"sqlite:///(?!/)(.+)", uri):
        return f"sqlite:///{root / match[1]}"
    if match := re.fullmatch(r"file:(?!/)(.+)", uri):
        return (root / match[1]).as_uri()
    has_scheme = re.match(r"[A-Za-z][\w+.-]*:", uri) or uri in ("databricks", "uc")
    return uri if has_scheme or Path(uri).is_absolute() else str(root / uri)


def address(uri: str) -> str:
    """Returns the address without user name and password, for files and messages."""
    return re.sub(r"//[^/@]*@", "//", uri)


def is_server(uri: str) -> bool:
    """Returns whether the address is a tracking server's."""
    return uri.startswith(("http://", "https://"))


def run_page(uri: str, experiment_id: str, run_id: str) -> str:
    """Returns the page of a run on a server; empty for a local store."""
    page = f"{address(uri).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
    return page if is_server(uri) else ""


def _database(uri: str) -> Path | None:
    match = re.fullmatch(r"sqlite:///(/.+)", uri)
    return Path(match[1]) if match else None


def is_there(uri: str) -> bool:
    """Returns whether a local store exists; True for any other store, which may exist."""
    database = _database(uri)
    return database is None or database.is_file()


def artifacts_folder(uri: str) -> Path:
    """Returns where a local store keeps its artifacts: beside the database."""
    database = _database(uri)
    return (database.parent if database else workspace.root()) / "mlartifacts"


def connect(uri: str) -> "MlflowClient":
    """Returns a client for a store that answers; creates a local store if there is none.

    Raises:
        OSError: The server does not answer within 3 seconds.
    """
    import requests

    configure()
    if is_server(uri):
        with contextlib.suppress(requests.exceptions.SSLError):  # MLflow may know the certificate
            requests.get(f"{address(uri).rstrip('/')}/health", timeout=PROBE_SECONDS)
    return _client(uri)


@functools.cache
def _client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    database = _database(uri)
    if database is None:
        return MlflowClient(uri, uri)
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = workspace.state("tracking", "store.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    # Two first users at once, or a kill during the migrations, corrupt a new SQLite store.
    with FileLock(lock):
        if not database.exists():
            with replacing(database) as building:
                MlflowClient(f"sqlite:///{building}").search_experiments(max_results=1)
        client = MlflowClient(uri, uri)
        client.search_experiments(max_results=1)
    return client


def experiment_name() -> str:
    """Returns `MLFLOW_EXPERIMENT_NAME`, or `genlab`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """Returns the id of the experiment called `name`; creates it, or restores a deleted one.

    A local store keeps its artifacts beside the database. By default MLflow would use the
    working directory of the moment.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = str(artifacts_folder(uri)) if _database(uri) else None
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process was faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id
