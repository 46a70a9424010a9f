"""A workspace for the tests of tracking, and questions to MLflow."""

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genlab import tracking
from genlab.imaging import arrays
from genlab.tracking import store

SOURCE = Path(tracking.__file__).parents[2]
DATA = {
    "name": "digits",
    "sha256": "d" * 64,
    "image_shape": (8, 8, 1),
    "num_images": {"train": 10, "test": 3},
    "citation": "scikit-learn",
}


def enter(monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """Makes `root` the workspace, without any outside setting of MLflow or DVC; returns it."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "DVC_", "GENLAB_PARENT")):
            monkeypatch.delenv(name)
    settings = store.DEFAULTS | {"MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false"}
    for name, value in (settings | {"DVC_ROOT": str(root)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(root)
    shutil.copyfile(_empty_store(), root / "mlflow.db")
    return root


@functools.cache
def _empty_store() -> Path:
    """Returns a new store, made once for all tests: MLflow needs seconds for it."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    store.connect(f"sqlite:///{folder / 'mlflow.db'}")
    return folder / "mlflow.db"


@contextmanager
def interrupted(**changes: Any) -> Iterator[tracking.Run]:
    """Opens the run of a training that ends by Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), training(**changes) as run:  # noqa: PT012
        yield run
        raise KeyboardInterrupt


def training(**changes: Any) -> Any:
    """Opens the run of a training with small values."""
    values = {"train_key": "key", "training_id": "training", "name": "vae", "kind": "vae"}
    values |= {"data": DATA, "params": {"model": {"kl_weight": 1.0}}}
    return tracking.training_run(tracking.TrainingRecord(**(values | changes)))


def scoring(protocol: str = "protocol", **changes: Any) -> Any:
    """Opens the run of a scoring."""
    values = {"train_key": "key", "name": "vae", "kind": "vae", "protocol": protocol}
    return tracking.scoring_run(**(values | changes))


def client(uri: str | None = None) -> Any:
    """Returns a client for the workspace's store."""
    return store.connect(uri or store.present_uri())


def free_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def breaking_server() -> Iterator[int]:
    """Yields the port of a server whose health is good, and that breaks off all other requests."""
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    if b"/health" in connection.recv(4096):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def start_process(root: Path, code: str) -> subprocess.Popen[str]:
    """Runs Python code in the workspace, with the source and these helpers on the path."""
    path = os.pathsep.join([str(SOURCE), str(Path(__file__).parent)])
    program = "import tracking_workspace as lab\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Server:
    """A real MLflow server of the workspace's store, as `make ui` starts it."""

    def __init__(self, root: Path):
        self.port = free_port()
        self.root, self.address = root, f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        code = f"from genlab import tracking; tracking.serve_ui({self.port})"
        with (self.root / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
                cwd=self.root,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        pytest.fail((self.root / "server.log").read_text())

    def kill(self) -> None:
        """Kills it and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def runs(experiment: str = "genlab", uri: str | None = None) -> list[Any]:
    """Returns all runs of an experiment, oldest first."""
    found = client(uri).get_experiment_by_name(experiment)
    order = ["attributes.start_time ASC"]
    return list(client(uri).search_runs([found.experiment_id], order_by=order)) if found else []


def statuses() -> list[str]:
    """Returns the status of each run, oldest first."""
    return [run.info.status for run in runs()]


def points(run: Any, key: str, uri: str | None = None) -> list[tuple[int, float]]:
    """Returns all points of a metric, as (step, value)."""
    history = client(uri).get_metric_history(run.info.run_id, key)
    return sorted((point.step, point.value) for point in history)


def artifacts(run: Any, folder: str | None = None) -> list[str]:
    """Returns the paths in one folder of a run's artifacts."""
    return [file.path for file in client().list_artifacts(run.info.run_id, folder)]


def picture(root: Path) -> Path:
    """Writes a small image; returns its path."""
    arrays.write_png(root / "grid.png", np.full((12, 12, 1), 128, np.uint8))
    return root / "grid.png"


def log_steps(run: tracking.Run, root: Path, steps: range) -> None:
    """Logs a metric and an image at each step."""
    for step in steps:
        run.log_metrics({"loss": float(step)}, step)
        run.log_image(picture(root), "samples", step)


def journals(root: Path) -> list[Path]:
    """Returns the folders of the journals."""
    return [path.parent for path in sorted((root / ".genlab" / "tracking").glob("*/journal.jsonl"))]
