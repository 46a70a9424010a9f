"""Several processes that train one model over the network."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import write_dataset

from genlab.networks import devices
from genlab.runtime.errors import InputError

HERE = Path(__file__).parents[1] / "helpers"


def start(data: Path, root: Path, config: str = "") -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
    environment = os.environ | {"PYTHONPATH": paths, "DVC_ROOT": str(root), "TF_CONFIG": config}
    command = [sys.executable, str(HERE / "workers.py"), str(data)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Path]:
    """Returns the folder of each training of a process."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return {name: Path(folder) for name, folder in json.loads(out.splitlines()[-1]).items()}


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def read_history(folder: Path) -> dict[str, np.ndarray]:
    with (folder / "result" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows if row[name]]) for name in rows[0]}


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path: Path) -> None:
    """Also with batch normalisation, whose statistics are those of both halves of the batch."""
    data = write_dataset(tmp_path / "data")
    alone = finish(start(data, tmp_path / "alone"))
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    configs = [
        json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        for index in (0, 1)
    ]
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


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", (1, 0)),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', (2, 1)),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, '
            '"task": {"type": "chief", "index": 0}}',
            (2, 0),
        ),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, '
            '"task": {"type": "worker", "index": 0}}',
            (3, 1),
        ),
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
    "config",
    [
        "{",
        "[]",
        '{"cluster": {}}',
        '{"cluster": {"ps": ["a:1"], "worker": []}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_bad_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(
        InputError, match=r"^TF_CONFIG must be .* Received: .* See the environment.$"
    ):
        devices.num_processes()
