"""Where runs are stored: the tracking address, and a client for it that is safe at first use."""

import functools
import importlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from filelock import FileLock

from genlab.runtime import workspace
from genlab.runtime.addresses import shown
from genlab.runtime.files import replacing
from genlab.tracking import faults, looking, moving
from genlab.tracking.looking import database_of, is_server

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "genlab"
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
    workspace.settle_home()  # MLflow cannot be imported without one
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
    return resolved(uri) if uri else None


def default_uri() -> str:
    """Returns the address of the local store at the workspace's root."""
    return _local(workspace.root() / "mlflow.db")


def present_uri() -> str:
    """Returns the address of the store that runs go to: the explicit one, else the local one."""
    return explicit_uri() or default_uri()


def portable(uri: str) -> str:
    """Returns the address for files: without secrets, and relative if it is in the workspace."""
    database, root = database_of(uri), workspace.root()
    if database and database.is_relative_to(root):
        return _local(database.relative_to(root))
    return shown(uri)


def resolved(uri: str) -> str:
    """Returns a portable address with its path below the root."""
    root = workspace.root()
    if match := re.fullmatch(r"sqlite:///(?!/)(.+)", uri):
        return f"{_local(root)}/{match[1]}"
    if match := re.fullmatch(r"file:(?!/)(.+)", uri):
        return (root / unquote(match[1])).as_uri()
    has_scheme = re.match(r"[A-Za-z][\w+.-]*:", uri) or uri in looking.ALONE
    return uri if has_scheme or Path(uri).is_absolute() else str(root / uri)


def _local(path: Path) -> str:
    """Returns the address of a SQLite file; SQLAlchemy unquotes it and ends it at a `?`."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def run_page(uri: str, experiment_id: str, run_id: str) -> str:
    """Returns the page of a run on a server; empty for a local store."""
    page = f"{shown(uri).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
    return page if is_server(uri) else ""


def is_there(uri: str) -> bool:
    """Returns whether a local store exists; True for any other store, which may exist."""
    database = database_of(uri)
    return database is None or database.is_file()


def artifacts_folder(uri: str) -> Path:
    """Returns where a local store keeps its artifacts: beside the database."""
    database = database_of(uri)
    return (database.parent if database else workspace.root()) / moving.ARTIFACTS


@contextmanager
def opened() -> "Iterator[tuple[MlflowClient, str]]":
    """Yields a client for the present store, and its address; every fault of it is one line.

    Raises:
        InputError: The store cannot be opened, or fails in the block.
    """
    uri = present_uri()
    with faults.told(uri):
        yield connect(uri), uri


def connect(uri: str) -> "MlflowClient":
    """Returns a client for a store that answers; creates a local store if there is none.

    Raises:
        InputError: The store cannot be used, or does not answer within seconds.
    """
    configure()
    looking.look(uri)
    with faults.told(uri):
        return _client(uri)


@functools.cache
def _client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    database = database_of(uri)
    if database is None:
        return MlflowClient(uri, uri)
    database.parent.mkdir(parents=True, exist_ok=True)
    if "%" in uri:
        _make_no_quoted_folders()
    lock = workspace.state("tracking", "store.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    # Two first users at once, or a kill during the migrations, corrupt a new SQLite store.
    with FileLock(lock):
        if not database.exists():
            with replacing(database) as building:
                MlflowClient(_local(building)).search_experiments(max_results=1)
        moving.follow(database)
        client = MlflowClient(uri, uri)
        client.search_experiments(max_results=1)
    return client


def _make_no_quoted_folders() -> None:
    """Keeps MLflow from making the folder of an address that it has not unquoted."""
    utils = importlib.import_module("mlflow.store.db.utils")
    setattr(utils, "_make_parent_dirs_if_sqlite", lambda uri: None)  # noqa: B010


@contextmanager
def as_default(uri: str) -> Iterator[None]:
    """Makes the store MLflow's own default in the block: parts of MLflow ask for no other."""
    former = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI")
        if former is not None:
            os.environ["MLFLOW_TRACKING_URI"] = former


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
        location = artifacts_folder(uri).as_uri() if database_of(uri) else None
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process was faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id
