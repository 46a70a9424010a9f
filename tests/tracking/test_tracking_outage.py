"""A tracker that is down, hangs, dies or moves: nothing stops, is lost, or is there twice."""

import socket
import time
from pathlib import Path

import pytest
import tracking_workspace as lab

from genlab import tracking
from genlab.tracking import looking, store
from genlab.tracking.journal import Journal
from genlab.tracking.sending import Sender
from genlab.tracking.writer import Writer


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return lab.enter(monkeypatch, tmp_path)


@pytest.mark.slow
def test_server_killed_in_the_middle_gets_the_rest_later(root, monkeypatch, caplog):
    server = lab.Server(root)
    server.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        # The artifacts of an experiment that a client makes go through the server.
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "over-http")
        with lab.training() as run:
            lab.log_steps(run, root, range(3))
            assert run.url.startswith(f"{server.address}/#/experiments/")
            server.kill()
            lab.log_steps(run, root, range(3, 6))
            run.log_artifact(lab.picture(root), "pictures")
        with lab.scoring() as run:
            run.log_metrics({"test/reconstruction/mse": 0.25}, 5)
        lab.picture(root).unlink()
        summary = tracking.sync()
        assert summary.waiting == {server.address: 2}
        assert not summary.is_complete
        monkeypatch.delenv("MLFLOW_TRACKING_URI")  # the journals know their destination
        server.start()
        summary = tracking.sync()
        assert (summary.is_complete, summary.runs) == (True, {server.address: 2})
        assert str(tracking.sync()) == "Nothing to send."
    finally:
        server.kill()
    (found,) = lab.runs("over-http")
    assert found.info.status == "FINISHED"
    assert lab.points(found, "loss") == [(step, float(step)) for step in range(6)]
    assert lab.points(found, "test/reconstruction/mse") == [(5, 0.25)]
    files = [path.name for path in (root / "mlartifacts").rglob("*.png")]
    steps = [name.split("+")[2] for name in files if name.startswith("samples+")]
    assert sorted(steps) == list("012345")
    assert "grid.png" in files
    assert lab.journals(root) == []
    warnings = [message for message in caplog.messages if "does not answer" in message]
    assert len(warnings) == 2  # one for each run


def test_server_that_never_was_stops_nothing(root, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{lab.free_port()}")
    started = time.monotonic()
    with lab.training() as run:
        for step in range(200):
            run.log_metrics({"loss": float(step)}, step)
        assert run.url is None
    assert time.monotonic() - started < 30
    (journal,) = Journal.all()
    entries = [entry for entry, _ in journal.entries()]
    assert [entry["step"] for entry in entries if entry["type"] == "metrics"] == list(range(200))
    assert entries[-1]["status"] == "FINISHED"
    assert len(caplog.messages) == 2  # one at once, one at the end
    assert "genlab sync" in caplog.messages[1]
    kept = (journal.folder / "journal.jsonl").read_text()
    assert "secret" not in kept + caplog.text

    (root / "mlflow.db").rename(root / "right.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///right.db")  # the address was wrong
    summary = tracking.sync()
    assert summary.is_complete
    assert str(summary) == f"Sent 202 entries of 1 runs to sqlite:///{root}/right.db."
    assert lab.points(lab.runs()[0], "loss") == [(step, float(step)) for step in range(200)]


def test_server_that_hangs_delays_only_once(monkeypatch):
    monkeypatch.setattr(looking, "PROBE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, never answers
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listener.getsockname()[1]}")
        started = time.monotonic()
        with lab.training() as run:
            for step in range(1000):
                run.log_metrics({"loss": float(step)}, step)
        assert time.monotonic() - started < 30
    assert tracking.sync().waiting.total() == 1


@pytest.mark.parametrize("entry_type", ["start", "metrics", "image", "artifact", "end"])
def test_lost_answer_leaves_nothing_twice(root, monkeypatch, entry_type):
    """The store takes entries of a type and fails then: they are sent again."""
    write = Writer.write

    def write_and_fail(self, entries):
        write(self, entries)
        if entries[0]["type"] == entry_type:
            raise ConnectionError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", write_and_fail)
        with lab.training() as run:
            lab.log_steps(run, root, range(2))
            run.log_artifact(lab.picture(root), "pictures")
        assert len(tracking.sync().problems) == 1
    assert tracking.sync().is_complete
    (found,) = lab.runs()
    assert found.info.status == "FINISHED"
    assert lab.points(found, "loss") == [(0, 0.0), (1, 1.0)]
    assert len(lab.artifacts(found, "images")) == 4
    assert lab.artifacts(found, "pictures") == ["pictures/grid.png"]


def test_scores_wait_for_their_training(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{lab.free_port()}")
        with lab.training() as run:
            run.log_metrics({"loss": 1.0}, 1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.default_uri())
    with lab.scoring() as run:  # the store is back: the training goes first
        run.log_metrics({"score": 2.0}, 1)
    (found,) = lab.runs()
    assert found.data.metrics == {"loss": 1.0, "score": 2.0}


def test_everything_is_sent_again_if_the_run_is_gone(root):
    with lab.interrupted() as run:
        lab.log_steps(run, root, range(2))
    lab.client().delete_run(lab.runs()[0].info.run_id)
    with lab.training() as run:
        lab.log_steps(run, root, range(3))
    (found,) = lab.runs()
    assert lab.points(found, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert len(lab.artifacts(found, "images")) == 6


def test_duplicate_of_a_run_is_deleted():
    with lab.interrupted() as run:
        run.log_metrics({"loss": 1.0}, 1)
    (first,) = lab.runs()
    tags = {"genlab.journal": first.data.tags["genlab.journal"]}
    lab.client().create_run(first.info.experiment_id, tags=tags)
    (journal,) = Journal.all()
    journal.write_state({})
    assert tracking.sync().is_complete
    assert [run.info.run_id for run in lab.runs()] == [first.info.run_id]


def test_refused_entry_does_not_stop_the_rest(caplog):
    with lab.training() as run:
        run.set_tags({"t" * 300: "too long a name"})
        run.log_metrics({"loss": 1.0}, 1)
    assert lab.runs()[0].data.metrics == {"loss": 1.0}
    assert any("MLflow refused: tags" in message for message in caplog.messages)


def test_two_senders_of_one_journal_do_not_meet(caplog):
    with lab.training() as run:
        (journal,) = Journal.all()
        with journal.sender.acquire():
            run.log_metrics({"loss": 1.0}, 1)
            assert not tracking.sync().entries
        assert Sender(journal).send() == 1
    assert lab.points(lab.runs()[0], "loss") == [(1, 1.0)]
    assert not caplog.messages
