"""genlab doctor: every check on what is well and on what is not, and that nothing makes it hang."""

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from genlab import cli, doctor
from genlab.doctor import environment, machine, project
from genlab.doctor.finding import Finding

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the repository's parameters, and no tracker named."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (workplace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return workplace


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def state(finding: Finding) -> str:
    assert "\n" not in finding.says + finding.remedy
    assert bool(finding.remedy) == (finding.state != doctor.OK)
    return finding.state


# The environment


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(environment.python()) == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    finding = environment.python()
    assert state(finding) == "error"
    assert finding.says == "3.14.0; it must be one of 3.11, 3.12, 3.13"


def test_packages_against_the_lock(place: Path) -> None:
    assert state(environment.packages()) == "warning"  # no lock
    numpy = importlib.metadata.version("numpy")
    other = 'colorama==0.0.1 ; sys_platform == "win32" \\\n    --hash=sha256:00\n'
    lock = place / "requirements.lock"
    lock.write_text(f"numpy=={numpy} \\\n    --hash=sha256:00\n    # via\n{other}")
    assert environment.packages() == Finding("packages", "ok", "as in requirements.lock")
    lock.write_text(f"numpy==0.1 \\\n    --hash=sha256:00\n{other}")
    assert environment.packages().says == f"not as in requirements.lock: numpy {numpy} (lock: 0.1)"
    assert state(environment.packages()) == "warning"
    lock.write_text("nobody-has-this==1.0 \\\n    --hash=sha256:00\n")
    assert environment.packages() == Finding(
        "packages", "error", "not installed: nobody-has-this", "Run: make setup"
    )


def test_lock_of_the_repository_is_read_whole() -> None:
    """As many packages as the lock has lines that begin with a name."""
    lock = ROOT / "requirements.lock"
    differing = {name for name, _, _ in environment._differing(lock)}
    named = {
        line.split("==")[0].split("[")[0]
        for line in lock.read_text().splitlines()
        if line[:1].isalnum()
    }
    assert differing < named


def test_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sys.prefix) / "bin"
    monkeypatch.setenv("PATH", str(folder))
    assert state(environment.path()) == "ok"
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = environment.path()
    assert state(finding) == "warning"
    assert "dvc is not found" in finding.says
    assert finding.remedy == f'Run: export PATH="{folder}:$PATH"'


def test_tensorflow_that_fails_or_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "tensorflow.py"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stand_in.write_text("raise ImportError('no library')")
    assert environment.tensorflow().says == "its import fails: ImportError: no library"
    assert state(environment.tensorflow()) == "error"
    stand_in.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(environment, "TENSORFLOW_SECONDS", 0.5)
    assert state(environment.tensorflow()) == "warning"


# The machine


def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    assert state(machine.memory()) == "ok"  # not known
    for kilobytes, expected in ((4 * 2**20, "ok"), (2**20, "warning")):
        (tmp_path / "meminfo").write_text(f"MemTotal:  9 kB\nMemAvailable:  {kilobytes} kB\n")
        assert state(machine.memory()) == expected
    assert machine.memory().says.startswith("1.0 GB free")


@pytest.mark.parametrize(("free", "expected"), [(10, "ok"), (1, "warning"), (0.1, "error")])
def test_disk(free: float, expected: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage(0, 0, int(free * 2**30)))
    assert state(machine.disk()) == expected


# The project


def test_params(place: Path) -> None:
    assert project.params() == Finding(
        "params", "ok", "data set digits, profile default, autoencoder, vae, gan"
    )
    (place / "params.yaml").write_text(
        (place / "params.yaml").read_text().replace("test_share:", "tets_share:")
    )
    assert state(project.params()) == "error"
    assert "(nearest: 'test_share')" in project.params().says
    assert state(project.data()) == "warning"


def test_data_is_here_or_at_a_source(
    place: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.data().says == "digits needs no download"
    (place / "params.yaml").write_text(
        (place / "params.yaml").read_text().replace("name: digits", "name: mnist")
    )
    monkeypatch.setattr(project, "answers", lambda address: f":{silent_port}" in address)
    assert state(project.data()) == "error"
    monkeypatch.setenv("GENLAB_DATA_MIRROR", f"http://127.0.0.1:{silent_port}")
    assert project.data().says == "mnist can be had from 127.0.0.1"
    (place / "mirror" / "mnist").mkdir(parents=True)
    (place / "mirror" / "mnist" / "train-images-idx3-ubyte.gz").touch()
    monkeypatch.setenv("GENLAB_DATA_MIRROR", str(place / "mirror"))
    assert project.data().says == f"mnist can be had from {place / 'mirror'}"
    (place / "data" / "images").mkdir(parents=True)
    (place / "data" / "images" / "dataset.json").write_text('{"name": "mnist"}')
    assert project.data().says.startswith("mnist is fetched")


def test_tracker(place: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.tracker().says.endswith("mlflow.db (made by the first run)")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{silent_port}")
    assert project.tracker().says == f"http://127.0.0.1:{silent_port} does not answer"
    assert state(project.tracker()) == "warning"
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert state(project.tracker()) == "ok"


def test_remote(place: Path, silent_port: int) -> None:
    assert state(project.remote()) == "ok"
    (place / ".dvc").mkdir()
    config = place / ".dvc" / "config"
    for url, expected in (
        (f"https://127.0.0.1:{silent_port}/store", "warning"),
        ("../../missing", "warning"),
        ("../store", "ok"),
        ("s3://bucket/genlab", "error"),
    ):
        (place / "store").mkdir(exist_ok=True)
        config.write_text(f"[core]\n    remote = shared\n['remote \"shared\"']\n    url = {url}\n")
        assert state(project.remote()) == expected, project.remote()
    assert "dvc-s3" in project.remote().remedy


def test_git(place: Path) -> None:
    assert state(project.git()) == "error"
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=place, check=True)
    assert project.git().says.endswith("nothing changed since")
    (place / "new").touch()
    assert "1 files changed" in project.git().says


# All together


def test_check_that_hangs_or_breaks_hides_no_other() -> None:
    release = threading.Event()

    def hanging() -> Finding:
        release.wait(60)
        return Finding("hanging", "ok", "")

    def broken() -> Finding:
        raise KeyError("x")

    start = time.monotonic()
    found = list(doctor.examine([hanging, broken, environment.python], timeout_seconds=0.5))
    release.set()
    assert time.monotonic() - start < 5
    assert [finding.state for finding in found] == ["warning", "error", "ok"]
    assert found[0].says == "no answer within 0.5 seconds"
    assert found[1].says == "the check failed: KeyError: 'x'"


@pytest.mark.parametrize(
    ("states", "code"), [(["ok"], 0), (["ok", "warning"], 0), (["warning", "error"], 1)]
)
def test_exit_code_and_json(states: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding("disk", each, "10 GB free", "" if each == "ok" else "Make room.") for each in states
    ]
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    runner = CliRunner()
    plain, as_json = (runner.invoke(cli.doctor.doctor, words) for words in ([], ["--json"]))
    assert (plain.exit_code, as_json.exit_code) == (code, code)
    assert json.loads(as_json.output) == [finding._asdict() for finding in findings]
    assert plain.output.count("Make room.") == len(states) - states.count("ok")
    assert "\x1b[" not in plain.output


@pytest.mark.parametrize(("no_color", "codes"), [("", 2), ("1", 0)])
def test_colours_obey_no_color(no_color: str, codes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: iter([Finding("disk", "ok", "10 GB free")]))
    monkeypatch.setattr(cli.group.stopping, "install", lambda: None)
    monkeypatch.setattr(cli.group, "_voices", lambda *values: {})
    terminal = CliRunner(env={"NO_COLOR": no_color})
    assert terminal.invoke(cli.main, ["doctor"], color=True).output.count("\x1b[") == codes


def test_all_checks_here(place: Path) -> None:
    """The real thing, offline, as a process: no check is missing, and it is over in time."""
    start = time.monotonic()
    environment_here = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "genlab", "doctor", "--json"],
        cwd=place,
        env=environment_here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - start < 60  # 10 on a quiet machine
    found = {finding["check"]: finding["state"] for finding in json.loads(done.stdout)}
    assert list(found) == [check.__name__ for check in doctor.CHECKS]
    assert found["git"] == "error"
    assert done.returncode == 1
