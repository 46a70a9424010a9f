"""Several processes that train one model over the network."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import child_environment, write_dataset
from tracking_workspace import free_port

from genlab.networks import devices
from genlab.runtime.errors import InputError

WORKERS = Path(__file__).parents[1] / "helpers" / "workers.py"


def start(data: Path, root: Path, config: str = "") -> subprocess.Popen[str]:
    environment = child_environment(DVC_ROOT=str(root), TF_CONFIG=config)
    command, pipe = [sys.executable, str(WORKERS), str(data)], subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Path]:
    """Returns the folder of each training of a process."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return {name: Path(folder) for name, folder in json.loads(out.splitlines()[-1]).items()}


def read_history(folder: Path) -> dict[str, np.ndarray]:
    with (folder / "result" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows if row[name]]) for name in rows[0]}


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path: Path) -> None:
    """Also with batch normalisation, whose statistics are those of both halves of the batch."""
    data = write_dataset(tmp_path / "data")
    alone = finish(start(data, tmp_path / "alone"))
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    tasks = [{"type": "worker", "index": index} for index in (0, 1)]
    configs = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
    processes = [start(data, tmp_path / "together", config) for config in configs]
    chief, _ = [finish(process) for process in processes]
    assert list(alone) == ["autoencoder", "vae", "gan"]
    for name, folder in alone.items():
        expected, found = read_history(folder), read_history(chief[name])
        assert expected.keys() == found.keys()
        for column, values in expected.items():
            np.testing.assert_allclose(
                found[column], values, rtol=2e-3, atol=2e-4, err_msg=f"{name}: {column}"
            )
        assert sorted(path.name for path in chief[name].iterdir()) == ["result", "summary.json"]


@pytest.fixture
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_cluster", devices._cluster.__wrapped__)


def config_of(kind: str, index: int, **cluster: list[str]) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", (1, 0)),
        (config_of("worker", 1, worker=["a:1", "b:1"]), (2, 1)),
        (config_of("chief", 0, chief=["a:1"], worker=["b:1"]), (2, 0)),
        (config_of("worker", 0, chief=["a:1"], worker=["b:1", "c:1"]), (3, 1)),
    ],
)
def test_place_in_the_cluster(
    monkeypatch: pytest.MonkeyPatch, config: str, expected: tuple[int, int]
) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    assert (devices.num_processes(), devices.process_index()) == expected
    assert devices.is_chief() == (expected[1] == 0)


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    "config", ["{", "[]", '{"cluster": {}}', config_of("ps", 0, ps=["a:1"], worker=[])]
)
def test_bad_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(InputError) as error:
        devices.num_processes()
    assert error.value.expected.startswith("TF_CONFIG must be ")
