"""Where runs are stored: the tracking address, its first use, and the local user interface."""

import contextlib
import functools
import importlib
import logging
import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.tracking import view

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "genlab"
PROBE_SECONDS = 3
# The journal is the retry: MLflow's own would block for minutes, and could create a run twice.
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def configure() -> None:
    """Sets MLflow's environment where the user has not; call it before MLflow is imported."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow.store.db.utils").setLevel(
        logging.CRITICAL
    )  # it logs a traceback and raises as well


def warm_up() -> None:
    """Imports MLflow and its local store, for a process that others are forked from: it takes seconds."""
    configure()
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")


def explicit_uri() -> str | None:
    """Returns the address in `MLFLOW_TRACKING_URI`, relative paths below the workspace's root, or None."""
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
    """Returns the address without user name and password: what is written down and printed."""
    return re.sub(r"//[^/@]*@", "//", uri)


@functools.cache
def _client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    database = _database(uri)
    if database is None:
        return MlflowClient(uri, uri)
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = workspace.state("tracking", "store.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(
        lock
    ):  # two first users, or a kill amidst its migrations, corrupt a new SQLite store
        if not database.exists():
            with replacing(database) as building:
                MlflowClient(f"sqlite:///{building}").search_experiments(max_results=1)
        client = MlflowClient(uri, uri)
        client.search_experiments(max_results=1)
    return client


def _database(uri: str) -> Path | None:
    match = re.fullmatch(r"sqlite:///(/.+)", uri)
    return Path(match[1]) if match else None


def is_there(uri: str) -> bool:
    """Says whether a local store was made already; of another one, that it may be there."""
    database = _database(uri)
    return database is None or database.is_file()


def _artifacts(uri: str) -> Path:
    database = _database(uri)
    return (database.parent if database else workspace.root()) / "mlartifacts"


def connect(uri: str) -> "MlflowClient":
    """Returns a client for a store that answers; a new local store is created by one process at a time.

    Raises:
        OSError: The server does not answer within 3 seconds.
    """
    configure()
    if uri.startswith(("http://", "https://")):
        _probe(address(uri))
    return _client(uri)


def _probe(base: str) -> None:
    import requests

    with contextlib.suppress(
        requests.exceptions.SSLError
    ):  # it answers; MLflow may know its certificate
        requests.get(f"{base.rstrip('/')}/health", timeout=PROBE_SECONDS)


def experiment_name() -> str:
    """Returns `MLFLOW_EXPERIMENT_NAME`, or `genlab`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """Returns the id of the experiment called `name`; makes it, or restores it when it was deleted.

    A local store keeps its artifacts in `mlartifacts` beside the database: without a place of its own an experiment
    would take the working directory of the moment.
    """
    from mlflow.exceptions import MlflowException

    place = str(_artifacts(uri)) if _database(uri) else None
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=place)
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def ui_command(port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """Returns the command and the environment of a light user interface on this machine alone.

    The store is created first, so that the page opens before the first run.

    Raises:
        InputError: `MLFLOW_TRACKING_URI` names a server, which has an interface of its own.
    """
    uri = present_uri()
    if uri.startswith(("http://", "https://")):
        raise InputError(
            "MLFLOW_TRACKING_URI must name a local store",
            "a server",
            f"Open {address(uri)} in a browser",
        )
    client = connect(uri)
    view.share(client, experiment_id(client, uri, experiment_name()))
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--workers",
        "1",
    ]
    command += ["--artifacts-destination", str(_artifacts(uri))]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    return command, {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def serve_ui(port: int = 5000) -> None:
    """Becomes the server of the user interface; ends with Ctrl-C.

    Raises:
        InputError: Something listens on the port already.
    """
    _check_free(port)
    command, environment = ui_command(port)
    uri = present_uri()
    print(
        view.page(f"http://127.0.0.1:{port}", experiment_id(connect(uri), uri, experiment_name())),
        flush=True,
    )
    os.execve(command[0], command, environment)  # noqa: S606 - a list, no shell


def _check_free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise InputError(
            "the port must be free",
            f"{port} ({error.strerror})",
            "See --port, or: make ui PORT=5001",
        ) from None
