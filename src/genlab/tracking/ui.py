"""The MLflow user interface on this machine, opened at a table with the columns that matter."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError
from genlab.tracking import store

VIEW = "genlab"
POLL_SECONDS, ANSWER_SECONDS = 0.2, 5.0
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

    The store and the shared view, as the page's button *Share* makes it, are created first. The
    command is for the folder `working_folder()`.

    Raises:
        InputError: `MLFLOW_TRACKING_URI` names a server, which has an interface of its own, or the
            store cannot be opened.
    """
    uri = store.present_uri()
    if store.is_server(uri):
        browse = f"Open {shown(uri)} in a browser"
        raise InputError("MLFLOW_TRACKING_URI must name a local store", "a server", browse)
    view = json.dumps({"selectedColumns": COLUMNS})
    with store.opened() as (client, uri):
        experiment = store.experiment_id(client, uri, store.experiment_name())
        client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", view)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    database = store.database_of(uri)
    settings = {
        # Not on the command line, which everybody on the machine can read.
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{database.name}" if database else uri,
        "MLFLOW_ARTIFACTS_DESTINATION": store.artifacts_folder(uri).as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return [*command, "--port", str(port)], {**os.environ, **settings}


def working_folder() -> Path:
    """Returns the folder of the store: relative, its address has no character to be quoted."""
    return store.artifacts_folder(store.present_uri()).parent


def serve_ui(port: int = 5000) -> None:
    """Runs the server of the user interface until Ctrl-C; prints its address when it answers.

    Raises:
        InputError: The port is in use, the store cannot be opened, or the server ends.
    """
    _check_free(port)
    command, environment = ui_command(port)
    with store.opened() as (client, uri):
        table = page(
            f"http://127.0.0.1:{port}", store.experiment_id(client, uri, store.experiment_name())
        )
    with subprocess.Popen(command, env=environment, cwd=working_folder()) as server:
        try:
            while server.poll() is None and not _answers(port):
                time.sleep(POLL_SECONDS)
            if server.poll() is None:
                print(table, flush=True)
            code = server.wait()
        finally:
            server.terminate()
    raise InputError("the MLflow UI must run", f"its end, with code {code}", "See its lines above")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def page(base: str, experiment_id: str) -> str:
    """Returns the address of the table of runs with these columns, in the mode *Model training*."""
    table = f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs"
    return f"{table}?workflowType=machine_learning&viewStateShareKey={VIEW}"


def _check_free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        received = f"{port} ({error.strerror})"
        where = "See --port, or run: make ui PORT=5001"
        raise InputError("the port must be free", received, where) from None
