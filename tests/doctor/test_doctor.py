"""`genlab doctor`: every check in good and bad cases, and that nothing makes it hang."""

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
from file_server import FileServer

from genlab import cli, doctor
from genlab.doctor import environment, machine, project
from genlab.doctor.finding import Finding
from genlab.workflows import checking

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the repository's parameters, and no tracker named."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (workplace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return workplace


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def state(finding: Finding) -> str:
    assert "\n" not in finding.says + finding.remedy
    assert bool(finding.remedy) == (finding.state != "ok")
    return finding.state


# The environment


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(environment.python()) == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    finding = environment.python()
    assert state(finding) == "error"
    assert "3.14.0" in finding.says


def test_packages_against_the_lock(place: Path) -> None:
    assert state(environment.packages()) == "warning"  # no lock
    lock = place / "requirements.lock"
    numpy = importlib.metadata.version("numpy")
    other = 'colorama==0.0.1 ; sys_platform == "win32" \\\n    --hash=sha256:00\n'
    for text, expected, part in (
        (f"numpy=={numpy}", "ok", "as in requirements.lock"),
        ("numpy==0.1", "warning", f"numpy {numpy} (lock: 0.1)"),
        ("nobody-has-this==1.0", "error", "not installed: nobody-has-this"),
    ):
        lock.write_text(f"{text} \\\n    --hash=sha256:00\n    # via\n{other}")
        finding = environment.packages()
        assert state(finding) == expected
        assert part in finding.says


def test_lock_of_the_repository_is_read_whole() -> None:
    """As many packages as the lock has lines that begin with a name."""
    lock = ROOT / "requirements.lock"
    differing = {name for name, _, _ in environment._differing(lock)}
    lines = [line for line in lock.read_text().splitlines() if line[:1].isalnum()]
    assert differing < {line.split("==")[0].split("[")[0] for line in lines}


def test_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sys.prefix) / "bin"
    monkeypatch.setenv("PATH", str(folder))
    assert state(environment.path()) == "ok"
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = environment.path()
    assert state(finding) == "warning"
    assert "dvc is not found" in finding.says
    assert str(folder) in finding.remedy


def test_tensorflow_that_fails_or_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "tensorflow.py"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stand_in.write_text("raise ImportError('no library')")
    finding = environment.tensorflow()
    assert state(finding) == "error"
    assert finding.says.endswith("ImportError: no library")
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


def edit(place: Path, old: str, new: str) -> None:
    path = place / "params.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_params(place: Path) -> None:
    assert "no such folder" in project.params().says
    (place / "data" / "own_images").mkdir(parents=True)
    checking.check(Path("params.yaml"))  # remembered: another process need not import TensorFlow
    assert state(project.params()) == "ok"
    assert project.params().says.startswith("data set digits, profile default, ")
    edit(place, "test_share:", "tets_share:")
    assert state(project.params()) == "error"
    assert "'test_share'" in project.params().says
    assert state(project.data()) == "warning"


def test_own_pictures_are_there_or_not(place: Path) -> None:
    edit(place, "name: digits", "name: image_folder")
    assert project.data() == Finding(
        "data",
        "error",
        f"image_folder: there is no {place / 'data' / 'own_images'}",
        "Put pictures there, or see params.yaml: data.directory.",
    )
    (place / "data" / "own_images").mkdir(parents=True)
    assert project.data().says == f"image_folder reads {place / 'data' / 'own_images'}"


def test_data_is_here_or_at_a_source(
    place: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.data().says == "digits needs no download"
    edit(place, "name: digits", "name: mnist")
    monkeypatch.setattr(project, "answers", lambda address: f":{silent_port}" in address)
    assert state(project.data()) == "error"
    monkeypatch.setenv("GENLAB_DATA_MIRROR", f"http://127.0.0.1:{silent_port}")
    assert project.data().says.endswith("available from 127.0.0.1")
    (place / "mirror" / "mnist").mkdir(parents=True)
    (place / "mirror" / "mnist" / "train-images-idx3-ubyte.gz").touch()
    monkeypatch.setenv("GENLAB_DATA_MIRROR", str(place / "mirror"))
    assert project.data().says.endswith(f"available from {place / 'mirror'}")
    (place / "data" / "images").mkdir(parents=True)
    description = place / "data" / "images" / "dataset.json"
    description.write_text('{"name": "mnist", "image_shape": [28, 28, 1]}')
    assert project.data().says.startswith("mnist is fetched")
    description.write_text('{"name": "mnist"')
    assert state(project.data()) == "error"


def test_tracker(place: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(project.tracker()) == "ok"
    assert "mlflow.db" in project.tracker().says
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{silent_port}")
    expected = f"MLflow must answer at http://127.0.0.1:{silent_port}; received Connection refused"
    assert project.tracker().says == expected
    assert state(project.tracker()) == "warning"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "localhost:5000")
    assert state(project.tracker()) == "warning"


def test_tracker_that_answers(
    place: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    assert project.tracker().says == f"{server.address} answers"


def test_place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("GAN #2", "ok"), ("100% done", "ok"), ("My%20Project", "warning")):
        monkeypatch.setenv("DVC_ROOT", str(workplace / name))
        assert state(project.place()) == expected


def test_remote(place: Path, silent_port: int) -> None:
    assert state(project.remote()) == "ok"
    (place / ".dvc").mkdir()
    (place / "store").mkdir()
    for url, expected in (
        (f"https://127.0.0.1:{silent_port}/store", "warning"),
        ("../../missing", "warning"),
        ("../store", "ok"),
        ("s3://bucket/genlab", "error"),
    ):
        text = f"[core]\n    remote = shared\n['remote \"shared\"']\n    url = {url}\n"
        (place / ".dvc" / "config").write_text(text)
        assert state(project.remote()) == expected, project.remote()
    assert "dvc-s3" in project.remote().remedy


def test_git(place: Path) -> None:
    assert state(project.git()) == "warning"
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
    findings = list(doctor.examine([hanging, broken, environment.python], timeout_seconds=0.5))
    release.set()
    assert time.monotonic() - start < 5
    assert [finding.state for finding in findings] == ["warning", "error", "ok"]
    assert findings[0].says == "no answer within 0.5 seconds"
    assert findings[1].says == "the check failed: KeyError: 'x'"


@pytest.mark.parametrize(
    ("states", "code"), [(["ok"], 0), (["ok", "warning"], 0), (["warning", "error"], 1)]
)
def test_exit_code_and_json(states: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding("disk", state, "10 GB free", "" if state == "ok" else "Make room.")
        for state in states
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
    monkeypatch.setattr(cli.group, "_verbosity", lambda *values: {})
    terminal = CliRunner(env={"NO_COLOR": no_color})
    assert terminal.invoke(cli.main, ["doctor"], color=True).output.count("\x1b[") == codes


def test_all_checks_here(place: Path) -> None:
    """The real checks, offline, as a process: none is missing, and they end in time."""
    start = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "genlab", "doctor", "--json"],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - start < 60  # 10 on a quiet machine
    states = {finding["check"]: finding["state"] for finding in json.loads(process.stdout)}
    assert list(states) == [check.__name__ for check in doctor.CHECKS]
    assert states["git"] == "warning"
    assert states["params"] == "error"  # no folder of own pictures
    assert process.returncode == 1
