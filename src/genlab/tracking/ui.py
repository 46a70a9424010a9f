"""The MLflow user interface on this machine, opened at a table with the columns that matter."""

import json
import os
import socket
import sys

from genlab.runtime.errors import InputError
from genlab.tracking import store

VIEW = "genlab"
METRICS = (
    "test/prior/frechet_distance",
    "test/fitted/frechet_distance",
    "test/reconstruction/mse",
    "test/prior/precision",
    "test/prior/recall",
    "time/train_seconds",
)
"""The cell is empty for a model that has no such metric."""
PARAMS = ("latent_dim", "steps", "seed")
COLUMNS = [  # the run's name says model and data set; its page links both
    *(f"metrics.`{name}`" for name in METRICS),
    *(f"params.`{name}`" for name in PARAMS),
]


def ui_command(port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """Returns the command and the environment of a light user interface for this machine only.

    The store and the shared view, as the page's button *Share* makes it, are created first.

    Raises:
        InputError: `MLFLOW_TRACKING_URI` names a server, which has an interface of its own.
    """
    uri = store.present_uri()
    if store.is_server(uri):
        browse = f"Open {store.address(uri)} in a browser"
        raise InputError("MLFLOW_TRACKING_URI must name a local store", "a server", browse)
    view = json.dumps({"selectedColumns": COLUMNS})
    client = store.connect(uri)
    client.set_experiment_tag(_experiment_id(), f"mlflow.sharedViewState.{VIEW}", view)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", uri]
    command += ["--artifacts-destination", str(store.artifacts_folder(uri))]
    return command, {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def serve_ui(port: int = 5000) -> None:
    """Replaces this process by the server of the user interface; Ctrl-C ends it.

    Raises:
        InputError: The port is in use.
    """
    _check_free(port)
    command, environment = ui_command(port)
    print(page(f"http://127.0.0.1:{port}", _experiment_id()), flush=True)
    os.execve(command[0], command, environment)  # noqa: S606 - a list, no shell


def page(base: str, experiment_id: str) -> str:
    """Returns the address of the table of runs with these columns, in the mode *Model training*."""
    table = f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs"
    return f"{table}?workflowType=machine_learning&viewStateShareKey={VIEW}"


def _experiment_id() -> str:
    uri = store.present_uri()
    return store.experiment_id(store.connect(uri), uri, store.experiment_name())


def _check_free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        received = f"{port} ({error.strerror})"
        where = "See --port, or run: make ui PORT=5001"
        raise InputError("the port must be free", received, where) from None
