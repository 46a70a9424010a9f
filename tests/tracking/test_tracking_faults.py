"""A store that cannot be used is one line in all commands, soon; a training goes on."""

import contextlib
import json
import logging
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace as lab

from genlab import tracking
from genlab.doctor import project
from genlab.runtime.errors import InputError
from genlab.tracking import looking, registry, store, ui
from genlab.tracking.journal import Journal

SECRET = "pl@nted-s3cret"
QUOTED = "pl%40nted-s3cret"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(looking, "LOCK_SECONDS", 0.1)
    return lab.enter(monkeypatch, tmp_path)


def of_schema(revision: str) -> Callable[[Path], Any]:
    def change(database: Path) -> None:
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))

    return change


def of_another_program(database: Path) -> None:
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE notes (text)")


def locked(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def truncated(database: Path) -> None:
    content = database.read_bytes()
    database.write_bytes(content[: len(content) // 2])


FAULTS = {
    "older": (of_schema("451aebb31d03"), "the older one 451aebb31d03", "mlflow db upgrade"),
    "newer": (of_schema("0123456789ab"), "0123456789ab, of another version", "make setup"),
    "foreign": (of_another_program, "one of another program", "MLFLOW_TRACKING_URI"),
    "locked": (locked, "database is locked", "Wait for the process"),
    "truncated": (truncated, "database disk image is malformed", "Restore it"),
    "text": (lambda path: path.write_text("x" * 5000), "file is not a database", "Restore it"),
    "empty": (lambda path: path.write_bytes(b""), "an empty file", "Restore it"),
}
ROADS: dict[str, Callable[[], object]] = {
    "promote": lambda: registry.champion("vae"),
    "report --runs": lambda: tracking.fetch(["vae"]),
    "generate": lambda: registry.model_folder("models:/vae@champion"),
    "ui": ui.ui_command,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_store_is_one_line_on_every_road(root: Path, fault: str, caplog: Any) -> None:
    damage, received, where = FAULTS[fault]
    kept = damage(root / "mlflow.db")
    for road in ROADS.values():
        with pytest.raises(InputError) as error:
            road()
        assert error.value.expected.startswith(f"{root / 'mlflow.db'} must")
        assert received in error.value.received
        assert where in error.value.where
    finding = project.tracker()
    assert (finding.state, received in finding.says) == ("warning", True)
    with lab.training() as run:
        run.log_metrics({"loss": 1.0}, 1)
    assert f"does not answer ({received}" in caplog.text
    summary = tracking.sync()
    assert (summary.waiting.total(), received in str(summary)) == (1, True)
    assert where in str(summary)
    assert "Traceback" not in caplog.text
    del kept


def test_newest_schema_is_read_without_mlflow() -> None:
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert looking._revisions()[0] == _get_latest_schema_revision()


def test_file_store_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "mlruns").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlruns")
    for road in ROADS.values():
        with pytest.raises(InputError) as error:
            road()
        assert error.value.received == f"a folder of files, {root / 'mlruns'}"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    looking.look(store.present_uri())


def test_database_that_nobody_serves_costs_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"postgresql://me:{QUOTED}@127.0.0.1:{lab.free_port()}/runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    started = time.monotonic()
    with lab.training() as run:
        for step in range(3):
            run.log_metrics({"loss": 1.0}, step)
    for road in ROADS.values():
        with pytest.raises(InputError) as error:
            road()
        assert "Connection refused" in str(error.value)
    summary = tracking.sync()
    assert time.monotonic() - started < 20
    assert summary.waiting.total() == 1
    assert "s3cret" not in f"{caplog.text}{error.value}{summary}{project.tracker()}"


def test_database_that_says_nothing_costs_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(InputError, match="timeout"):
            looking.look(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/runs")
        assert time.monotonic() - started < 3 * looking.PROBE_SECONDS


@pytest.mark.parametrize(
    "uri",
    [
        "localhost:5000",
        "mlflow.example.org",
        "me:pl@nted-s3cret@localhost:5000",
        "htp://host:5000",
        "http://me:pl@nted/s3cret@host",
        "postgresql://me:pl@nted-s3cret@host/db",
    ],
)
def test_nothing_waits_for_an_address_that_is_none(
    root: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    roads = [*ROADS.values(), lab.training().__enter__, lab.scoring().__enter__, tracking.sync]
    for road in roads:
        with pytest.raises(InputError) as error:
            road()
        assert "MLFLOW_TRACKING_URI" in str(error.value)
        assert "s3cret" not in str(error.value)
    assert lab.journals(root) == []
    assert project.tracker().state == "warning"


def test_what_waits_can_be_sent_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{lab.free_port()}")
        with lab.training() as run:
            run.log_metrics({"loss": 1.0}, 1)
    with lab.scoring() as run:  # of a training that waits for another store
        run.log_metrics({"score": 2.0}, 1)
    assert [found.data.metrics for found in lab.runs()] == [{"score": 2.0}]
    summary = tracking.sync(to="sqlite:///mlflow.db")
    assert str(summary) == f"Sent 3 entries of 1 runs to sqlite:///{root}/mlflow.db."
    assert {"loss": 1.0} in [found.data.metrics for found in lab.runs()]
    assert lab.journals(root) == []
    with pytest.raises(InputError):
        tracking.sync(to="localhost:5000")


@pytest.mark.parametrize("password", [SECRET, QUOTED, "s3cret"])
def test_server_that_breaks_off_shows_no_password(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, capfd: Any, password: str
) -> None:
    caplog.set_level(logging.INFO)
    with lab.breaking_server() as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{password}@127.0.0.1:{port}")
        lines = []
        for road in ROADS.values():
            with pytest.raises(InputError) as error:
                road()
            lines.append(str(error.value))
        assert all(line.count("\n") == 0 for line in lines)
        assert "MLflow must answer at http://127.0.0.1" in lines[0]
        with contextlib.suppress(RuntimeError), lab.training() as run:
            run.log_metrics({"loss": 1.0}, 1)
            raise RuntimeError(f"no answer from {store.present_uri()}")
        lines.append(str(tracking.sync()))
        lines.append(str(project.tracker()))
    (journal,) = Journal.all()
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".db"]
    written = "".join(path.read_text() for path in files)
    assert json.loads(written.splitlines()[0])["uri"] == f"http://127.0.0.1:{port}"
    shown = "".join([*lines, caplog.text, *capfd.readouterr(), written])
    assert "s3cret" not in shown
    assert journal.status == "FAILED"
