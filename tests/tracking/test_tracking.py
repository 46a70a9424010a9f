"""Runs in the local store: what they hold, how they end, how they continue."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import tracking_workspace as lab
from click.testing import CliRunner

from genlab import cli, tracking
from genlab.runtime.errors import InputError
from genlab.tracking import provenance, store, ui
from genlab.tracking.journal import Journal
from genlab.tracking.run import METRICS_PAUSE_SECONDS
from genlab.tracking.writer import Writer


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return lab.enter(monkeypatch, tmp_path)


def test_package_does_not_import_mlflow():
    heavy = "{'mlflow', 'tensorflow'}"
    code = f"import sys, genlab.tracking; sys.exit(bool({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(lab.SOURCE)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_runs_of_a_study_are_its_children():
    facts = {"kl_weight": [0.5, 1.0]}
    with tracking.study_run(name="rate-distortion", model="vae", kind="vae", params=facts) as study:
        with lab.training(train_key="a", training_id="a"):
            pass
        with (
            tracking.study_run(name="inner", model="vae", kind="vae", params={}),
            lab.training(training_id="b"),
        ):
            pass
        study.log_metrics({"test/rate": 2.0}, 0)
        identity = study.run_id
    with lab.training(training_id="c"):
        pass
    runs = lab.runs()
    outer, inner = runs[0], runs[2]
    assert (outer.info.run_id, outer.info.run_name) == (identity, "rate-distortion")
    assert (outer.info.status, outer.data.tags["genlab.run"]) == ("FINISHED", "study")
    assert outer.data.params == {"kl_weight": "[0.5, 1.0]"}
    assert outer.data.metrics == {"test/rate": 2.0}
    parents = [run.data.tags.get("mlflow.parentRunId") for run in runs]
    assert parents == [None, identity, identity, inner.info.run_id, None]


def test_study_without_a_store_has_no_children(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with tracking.study_run(name="any", model="vae", kind="vae", params={}) as study:
        assert study.run_id is None
        assert provenance.parent_run_id() is None


def test_run_holds_everything_that_was_logged(root, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "train@vae")
    monkeypatch.setenv("DVC_EXP_NAME", "hairy-goat")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "a"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    (root / "notes").mkdir()
    (root / "notes" / "a.json").write_text("{}")
    params = {"seed": 0, "model": {"widths": [8, 4], "text": "y" * 7000}}
    with lab.training(params=params, tags={"genlab.device": "cpu"}) as run:
        assert run.url is None
        run.log_metrics({"train/loss": 3.0, "validation/psnr": math.nan}, 1)
        run.log_metrics({"train/loss": 2.0}, 2)
        run.log_image(lab.picture(root), "samples/prior", 1)
        run.log_artifact(root / "notes")
        run.log_artifact(root / "notes" / "a.json", "reports")
        run.set_tags({"genlab.note": "x"})
    (found,) = lab.runs()
    assert (found.info.status, found.info.run_name) == ("FINISHED", "vae")
    assert lab.points(found, "train/loss") == [(1, 3.0), (2, 2.0)]
    assert math.isnan(found.data.metrics["validation/psnr"])
    assert found.data.params["model.widths"] == "[8, 4]"
    assert len(found.data.params["model.text"]) == 6000
    tags = {"train_key": "key", "training_id": "training", "kind": "vae", "model": "vae"}
    tags |= {"note": "x", "device": "cpu", "git_commit": commit, "git_dirty": "false"}
    tags |= {"data_hash": "d" * 64, "dvc_stage": "train@vae", "dvc_experiment": "hairy-goat"}
    assert {key: found.data.tags.get(f"genlab.{key}") for key in tags} == tags
    assert found.data.tags["mlflow.source.git.commit"] == commit
    (data,) = found.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "d" * 36)
    assert lab.artifacts(found, "notes") == ["notes/a.json"]
    assert lab.artifacts(found, "reports") == ["reports/a.json"]
    images = [path.split("+timestamp")[0] for path in lab.artifacts(found, "images")]
    assert images == ["images/samples~prior+step+1"] * 2
    assert found.info.artifact_uri.startswith((root / "mlartifacts").as_uri())
    assert lab.journals(root) == []  # finished and sent: nothing is kept


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("sqlite:///own.db", "sqlite:///{root}/own.db"),
        ("sqlite:////own/own.db", "sqlite:////own/own.db"),
        ("file:./mlruns", "file://{root}/mlruns"),
        ("mlruns", "{root}/mlruns"),
        ("/own/mlruns", "/own/mlruns"),
        ("http://host:5000", "http://host:5000"),
        ("databricks", "databricks"),
        ("", None),
    ],
)
def test_relative_address_is_below_the_root(root, monkeypatch, uri, resolved):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store.explicit_uri() == (resolved and resolved.format(root=root))


def test_pages_of_runs_are_on_servers_and_have_no_password():
    page = store.run_page("http://me:secret@host:5000/a/", "1", "f")
    assert page == "http://host:5000/a/#/experiments/1/runs/f"
    assert store.run_page("sqlite:////own.db", "1", "f") == ""


def test_names_are_obeyed(root, monkeypatch):
    (root / "sub").mkdir()
    (root / "mlflow.db").rename(root / "sub" / "own.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///sub/own.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with lab.training():
        pass
    (found,) = lab.runs("mine")
    assert found.info.artifact_uri.startswith((root / "sub" / "mlartifacts").as_uri())
    assert not (root / "mlflow.db").exists()


def test_deleted_experiment_is_restored():
    with lab.training(training_id="a"):
        pass
    lab.client().delete_experiment(lab.runs()[0].info.experiment_id)
    with lab.training(training_id="b"):
        pass
    assert lab.runs()[-1].data.tags["genlab.training_id"] == "b"


def test_parent_of_mlflow_run_is_taken_from_the_environment(monkeypatch):
    monkeypatch.setenv(provenance.PARENT, "")
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    with lab.training():
        assert "MLFLOW_RUN_ID" not in os.environ
    assert lab.runs()[0].data.tags["mlflow.parentRunId"] == "f" * 32
    assert lab.runs()[0].info.run_id != "f" * 32


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("not finite\nat step 7"), "FAILED", "ValueError: not finite"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (SystemExit(143), "KILLED", "SystemExit: 143"),
        (SystemExit(2), "FAILED", "SystemExit: 2"),
        (SystemExit(0), "FINISHED", None),
    ],
)
def test_status_says_how_the_run_ended(error, status, reason):
    with pytest.raises(type(error)), lab.training():
        raise error
    (found,) = lab.runs()
    assert found.info.status == status
    assert found.data.tags.get("genlab.reason") == reason


def test_killed_training_continues_in_its_run(root):
    code = """
    import os, signal
    with lab.training() as run:
        lab.log_steps(run, lab.Path.cwd(), range(3))
        run._journal._path.open("ab").write(b'{"type": "metr')
        os.kill(os.getpid(), signal.SIGKILL)
    """
    lab.start_process(root, code).communicate(timeout=60)
    assert lab.statuses() == ["RUNNING"]
    assert tracking.sync().entries == 1
    assert lab.statuses() == ["KILLED"]
    with lab.training() as run:
        lab.log_steps(run, root, range(1, 5))  # from the checkpoint: steps 1 and 2 are repeated
    (found,) = lab.runs()
    assert found.info.status == "FINISHED"
    assert "genlab.reason" not in found.data.tags
    assert lab.points(found, "loss") == [(step, float(step)) for step in range(5)]
    assert len(lab.artifacts(found, "images")) == 2 * 5


def test_metrics_in_a_row_are_sent_together(root, monkeypatch):
    requests = []
    write = Writer.write
    monkeypatch.setattr(
        Writer, "write", lambda self, entries: (requests.append(len(entries)), write(self, entries))
    )
    with lab.training() as run:
        requests.clear()
        for step in range(40):
            run.log_metrics({"loss": float(step)}, step)
        assert requests == [], "they wait for more"
        run.log_image(lab.picture(root), "samples", 40)
        assert requests == [40, 1]
        run.log_metrics({"loss": 40.0}, 40)
        clock = time.monotonic() + METRICS_PAUSE_SECONDS + 1
        monkeypatch.setattr(time, "monotonic", lambda: clock)
        run.log_metrics({"loss": 41.0}, 41)
        assert requests == [40, 1, 2]
    (found,) = lab.runs()
    assert lab.points(found, "loss") == [(step, float(step)) for step in range(42)]


def test_unfinished_run_continues_without_its_journal():
    with lab.interrupted() as run:
        run.log_metrics({"loss": 1.0}, 1)
    (journal,) = Journal.all()
    journal.remove()
    with lab.training() as run:
        run.log_metrics({"loss": 1.5, "other": 0.0}, 1)
        run.log_metrics({"loss": 2.0}, 2)
    (found,) = lab.runs()
    assert lab.points(found, "loss") == [(1, 1.0), (2, 2.0)]
    assert lab.points(found, "other") == [(1, 0.0)]


def test_finished_run_is_not_reopened_and_a_second_trainer_has_its_own():
    with lab.training() as first:
        first.log_metrics({"loss": 1.0}, 1)
        with lab.training(name="second") as second:
            second.log_metrics({"loss": 2.0}, 1)
    with lab.training() as third:
        third.log_metrics({"loss": 3.0}, 1)
    assert lab.statuses() == ["FINISHED"] * 3
    assert sorted(run.data.metrics["loss"] for run in lab.runs()) == [1.0, 2.0, 3.0]


def test_killed_trial_is_ended_by_its_tuner():
    with lab.interrupted() as run:
        run.log_metrics({"loss": 1.0}, 1)
    tracking.end_training("training", "FAILED", "out of memory")
    tracking.end_training("unknown", "FAILED", "has no run")
    (found,) = lab.runs()
    assert (found.info.status, found.data.tags["genlab.reason"]) == ("FAILED", "out of memory")


def test_scores_go_to_the_newest_finished_training():
    for training_id in ("a", "b"):
        with lab.training(training_id=training_id):
            pass
    with lab.interrupted(training_id="c"):
        pass
    with lab.scoring() as run:
        run.log_metrics({"score": 9.0}, 100)
    metrics = {run.data.tags["genlab.training_id"]: run.data.metrics for run in lab.runs()}
    assert metrics == {"a": {}, "b": {"score": 9.0}, "c": {}}


def test_scoring_again_adds_nothing(root):
    with lab.training():
        pass
    for _ in range(2):
        with lab.scoring() as run:
            run.log_metrics({"test/mse": 0.5, "test/none": math.nan}, 10)
            run.log_image(lab.picture(root), "test/samples", 10)
    (found,) = lab.runs()
    assert lab.points(found, "test/mse") == [(10, 0.5)]
    assert len(lab.points(found, "test/none")) == 1
    assert len(lab.artifacts(found, "images")) == 2
    assert lab.journals(root) == []


def test_scores_without_a_training_or_of_another_protocol_are_linked():
    with lab.scoring("first") as run:
        run.log_metrics({"score": 1.0}, 0)
    with lab.training():
        pass
    for protocol, value in [("second", 2.0), ("third", 3.0), ("third", 3.0), ("first", 1.0)]:
        with lab.scoring(protocol) as run:
            run.log_metrics({"score": value}, 0)
    tags = [run.data.tags for run in lab.runs()]
    found = [(tag["genlab.run"], tag["genlab.protocol"], tag["genlab.train_key"]) for tag in tags]
    assert found == [
        ("scoring", "first", "key"),
        ("training", "second", "key"),
        ("scoring", "third", "key"),
    ]
    assert [run.data.metrics["score"] for run in lab.runs()] == [1.0, 2.0, 3.0]


def test_failed_scoring_leaves_the_training_finished():
    with lab.training():
        pass
    with pytest.raises(ValueError, match="bad"), lab.scoring():
        raise ValueError("bad")
    (found,) = lab.runs()
    assert found.info.status == "FINISHED"
    assert found.data.tags["genlab.scoring"] == "FAILED: ValueError: bad"


@pytest.mark.parametrize("name", ["loss%", "", "loss\n", "größe"])
def test_bad_metric_name_is_refused(name):
    with pytest.raises(InputError) as error, lab.training() as run:
        run.log_metrics({name: 1.0}, 1)
    assert error.value.received == repr(name)


@pytest.mark.slow
def test_first_users_at_once_make_one_store(root):
    (root / "mlflow.db").unlink()
    code = """
    with lab.training(training_id="{}") as run:
        run.log_metrics({{"loss": 1.0}}, 1)
    """
    processes = [lab.start_process(root, code.format(number)) for number in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert sorted(run.data.tags["genlab.training_id"] for run in lab.runs()) == ["0", "1"]
    assert lab.statuses() == ["FINISHED"] * 2


def test_old_interrupted_journals_are_removed(root, monkeypatch):
    with lab.interrupted():
        pass
    assert not tracking.sync().entries
    assert len(lab.journals(root)) == 1
    later = time.time_ns() + 40 * 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    tracking.sync()
    assert lab.journals(root) == []


def test_description_is_ours_until_somebody_writes_another():
    note = "mlflow.note.content"
    with lab.training() as run:
        run.describe("first ![a]({artifacts}a.png)")
    (found,) = lab.runs()
    address = f"get-artifact?run_uuid={found.info.run_id}&path=a.png"
    assert found.data.tags[note] == f"first ![a]({address})"
    with lab.scoring() as run:
        run.describe("second")
    assert lab.runs()[0].data.tags[note] == "second"
    lab.client().set_tag(found.info.run_id, note, "my own")
    with lab.scoring() as run:
        run.describe("third")
    assert lab.runs()[0].data.tags[note] == "my own"


@pytest.fixture
def _sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.001")


@pytest.mark.usefixtures("_sampled")
def test_system_metrics_come_with_the_trainings_own():
    with lab.training() as run:
        for step in (10, 20):
            time.sleep(0.01)
            run.log_metrics({"loss": 1.0}, step)
    with lab.scoring() as run:
        time.sleep(0.01)
        run.log_metrics({"score": 1.0}, 0)
    (found,) = lab.runs()
    memory = lab.points(found, "system/system_memory_usage_percentage")
    assert [step for step, _ in memory] == [0, 1]
    assert all(0 < value < 100 for _, value in memory)
    assert len(lab.points(found, "system/cpu_utilization_percentage")) == 2


@pytest.mark.usefixtures("_sampled")
def test_system_metrics_that_fail_stop_nothing(monkeypatch, caplog):
    monkeypatch.setattr("psutil.cpu_percent", lambda: 1 / 0)
    with lab.training() as run:
        for step in (1, 2):
            time.sleep(0.01)
            run.log_metrics({"loss": 1.0}, step)
    assert list(lab.runs()[0].data.metrics) == ["loss"]
    assert caplog.text.count("System metrics are off") == 1


def test_ui_is_for_this_machine_only_and_shows_shared_columns(root, monkeypatch):
    command, environment = ui.ui_command(port=5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert environment["MLFLOW_BACKEND_STORE_URI"] == "sqlite:///mlflow.db"
    assert ui.working_folder() == root
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    experiment = lab.client().get_experiment_by_name("genlab")
    columns = json.loads(experiment.tags["mlflow.sharedViewState.genlab"])["selectedColumns"]
    assert columns[0] == "metrics.`test/prior/frechet_distance`"
    query = "workflowType=machine_learning&viewStateShareKey=genlab"
    assert ui.page("http://a:1/", "7") == f"http://a:1/#/experiments/7/runs?{query}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:pass@host:1")
    with pytest.raises(InputError) as error:
        ui.ui_command()
    assert error.value.where == "Open http://host:1 in a browser"


@pytest.mark.slow
def test_ui_prints_its_address_when_it_answers(root):
    port = lab.free_port()
    process = lab.start_process(root, f"from genlab import tracking; tracking.serve_ui({port})")
    try:
        line = next(line for line in process.stdout if line.startswith("http"))  # after MLflow's
        assert line.startswith(f"http://127.0.0.1:{port}/#/experiments/")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    with socket.create_server(("127.0.0.1", port)):  # the server has ended, too
        pass


def test_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        result = CliRunner().invoke(cli.main, ["ui", "--port", port])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"Received: {port} (Address already in use" in result.stderr
