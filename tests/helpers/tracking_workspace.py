"""A workspace of its own for the tests of tracking, and what they ask of MLflow."""

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genlab import tracking
from genlab.imaging import arrays
from genlab.tracking import store

DATASET = tracking.Dataset(
    name="digits",
    digest="d" * 64,
    image_shape=(8, 8, 1),
    num_images={"train": 10, "test": 3},
    source="scikit-learn",
)


def enter(monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """Makes `root` the workspace, without any setting of MLflow or DVC from outside; returns it."""
    for name in [
        name for name in os.environ if name.startswith(("MLFLOW_", "DVC_", "GENLAB_PARENT"))
    ]:
        monkeypatch.delenv(name)
    for name, value in store.DEFAULTS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false"
    )  # no test sees more metrics where it is slow
    monkeypatch.setenv("DVC_ROOT", str(root))
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
    values = {
        "train_key": "key",
        "training_id": "training",
        "name": "vae",
        "kind": "vae",
        "dataset": DATASET,
    }
    return tracking.training_run(**(values | {"params": {"model": {"kl_weight": 1.0}}} | changes))


def scoring(protocol: str = "protocol", **changes: Any) -> Any:
    """Opens the run of a scoring."""
    return tracking.scoring_run(
        **({"train_key": "key", "name": "vae", "kind": "vae", "protocol": protocol} | changes)
    )


def client(uri: str | None = None) -> Any:
    """Returns a client for the workspace's store."""
    return store.connect(uri or store.explicit_uri() or store.default_uri())


def free_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A real MLflow server of the workspace's store, as `make ui` starts it."""

    def __init__(self, root: Path, port: int | None = None) -> None:
        port = port or free_port()
        self.command = [
            sys.executable,
            "-c",
            f"from genlab import tracking; tracking.serve_ui({port})",
        ]
        self.environment = {**os.environ, "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
        self.root, self.address = root, f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Returns when it answers."""
        with (self.root / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
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
        """Kills it and what it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def runs(experiment: str = "genlab", uri: str | None = None) -> list[Any]:
    """Returns all runs of an experiment, oldest first."""
    found = client(uri).get_experiment_by_name(experiment)
    order = ["attributes.start_time ASC"]
    return list(client(uri).search_runs([found.experiment_id], order_by=order)) if found else []


def points(run: Any, key: str, uri: str | None = None) -> list[tuple[int, float]]:
    """Returns all points of a metric, as (step, value)."""
    return sorted(
        (point.step, point.value) for point in client(uri).get_metric_history(run.info.run_id, key)
    )


def artifacts(run: Any, folder: str | None = None) -> list[str]:
    """Returns the paths in one folder of a run's artifacts."""
    return [file.path for file in client().list_artifacts(run.info.run_id, folder)]


def picture(root: Path) -> Path:
    """Writes a small picture; returns its path."""
    arrays.write_png(root / "grid.png", np.full((12, 12, 1), 128, np.uint8))
    return root / "grid.png"


def journals(root: Path) -> list[Path]:
    """Returns the folders of the journals."""
    return [path.parent for path in sorted((root / ".genlab" / "tracking").glob("*/journal.jsonl"))]
