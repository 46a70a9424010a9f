"""Runs in the local store: what they hold, how they end, how they go on."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import tracking_workspace as lab

from genlab import tracking
from genlab.runtime.errors import InputError
from genlab.tracking import provenance, store, view
from genlab.tracking.journal import Journal
from genlab.tracking.run import METRICS_PAUSE_SECONDS
from genlab.tracking.writer import Writer

SOURCE = Path(tracking.__file__).parents[2]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return lab.enter(monkeypatch, tmp_path)


def start_process(root: Path, code: str) -> subprocess.Popen[str]:
    """Runs Python code in the workspace, with the source beside it and the tests' helpers."""
    path = os.pathsep.join([str(SOURCE), str(Path(__file__).parents[1] / "helpers")])
    program = "import tracking_workspace as lab\n" + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_package_does_not_import_mlflow():
    code = (
        "import sys, genlab.tracking; print('mlflow' in sys.modules, 'tensorflow' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_runs_of_a_study_are_folded_under_it():
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
    outer, first, inner, second, after = lab.runs()
    assert (outer.info.run_id, outer.info.run_name, outer.info.status) == (
        identity,
        "rate-distortion",
        "FINISHED",
    )
    assert outer.data.params == {"kl_weight": "[0.5, 1.0]"}
    assert outer.data.metrics == {"test/rate": 2.0}
    assert outer.data.tags["genlab.run"] == "study"
    parents = [
        run.data.tags.get("mlflow.parentRunId") for run in (outer, first, inner, second, after)
    ]
    assert parents == [None, identity, identity, inner.info.run_id, None]


def test_study_without_a_store_has_no_children(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with tracking.study_run(name="any", model="vae", kind="vae", params={}) as study:
        assert study.run_id is None
        assert provenance.parent_run_id() is None


def test_run_holds_all_that_was_logged(root, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "train@vae")
    monkeypatch.setenv("DVC_EXP_NAME", "hairy-goat")
    subprocess.run(["git", "init", "-q"], check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
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
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "vae"
    assert lab.points(found, "train/loss") == [(1, 3.0), (2, 2.0)]
    assert math.isnan(found.data.metrics["validation/psnr"])
    assert found.data.params["model.widths"] == "[8, 4]"
    assert len(found.data.params["model.text"]) == 6000
    expected = {
        "train_key": "key",
        "training_id": "training",
        "kind": "vae",
        "model": "vae",
        "note": "x",
        "device": "cpu",
    }
    expected |= {
        "git_commit": commit,
        "git_dirty": "false",
        "data_hash": lab.DATASET.digest,
        "version": "0.1.0",
    }
    expected |= {"dvc_stage": "train@vae", "dvc_experiment": "hairy-goat"}
    assert {key: found.data.tags.get(f"genlab.{key}") for key in expected} == expected
    assert found.data.tags["mlflow.source.git.commit"] == commit
    (data,) = found.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "d" * 36)
    assert lab.artifacts(found, "notes") == ["notes/a.json"]
    assert lab.artifacts(found, "reports") == ["reports/a.json"]
    assert [path.split("+timestamp")[0] for path in lab.artifacts(found, "images")] == [
        "images/samples~prior+step+1"
    ] * 2
    assert lab.artifacts(found)  # the files lie in the workspace
    assert (root / "mlflow.db").is_file()
    assert found.info.artifact_uri.startswith(str(root / "mlartifacts"))
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
def test_relative_address_lies_below_the_root(root, monkeypatch, uri, resolved):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store.explicit_uri() == (resolved and resolved.format(root=root))


def test_address_has_no_password():
    assert store.address("http://me:secret@host:5000/a") == "http://host:5000/a"


def test_names_are_obeyed(root, monkeypatch):
    (root / "mlflow.db").unlink()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///sub/own.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with lab.training():
        pass
    (found,) = lab.runs("mine")
    assert found.info.artifact_uri.startswith(str(root / "sub" / "mlartifacts"))
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
        (
            ValueError("loss is not finite at step 7"),
            "FAILED",
            "ValueError: loss is not finite at step 7",
        ),
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


def test_sigterm_ends_the_run_as_killed(root):
    code = """
    import signal, time
    def stop(number, frame): raise SystemExit(143)
    signal.signal(signal.SIGTERM, stop)
    with lab.training() as run:
        run.log_metrics({"loss": 1.0}, 1)
        print("ready", flush=True)
        time.sleep(60)
    """
    process = start_process(root, code)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert [run.info.status for run in lab.runs()] == ["KILLED"]


def test_killed_training_goes_on_in_its_run(root):
    code = """
    import os, signal
    with lab.training() as run:
        for step in range(3):
            run.log_metrics({"loss": float(step)}, step)
            run.log_image(lab.picture(lab.Path.cwd()), "samples", step)
        run._journal._path.open("ab").write(b'{"type": "metr')
        os.kill(os.getpid(), signal.SIGKILL)
    """
    start_process(root, code).communicate(timeout=60)
    assert [run.info.status for run in lab.runs()] == ["RUNNING"]
    summary = tracking.sync()
    assert summary.entries == 1
    assert [run.info.status for run in lab.runs()] == ["KILLED"]
    with lab.training() as run:
        for step in range(1, 5):  # from the checkpoint: steps 1 and 2 are repeated
            run.log_metrics({"loss": float(step)}, step)
            run.log_image(lab.picture(root), "samples", step)
    (found,) = lab.runs()
    assert found.info.status == "FINISHED"
    assert "genlab.reason" not in found.data.tags
    assert lab.points(found, "loss") == [(step, float(step)) for step in range(5)]
    assert len(lab.artifacts(found, "images")) == 2 * 5


def test_metrics_that_follow_each_other_are_sent_together(root, monkeypatch):
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


def test_unfinished_run_goes_on_without_its_journal(root):
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


def test_finished_run_is_not_reopened():
    for _ in range(2):
        with lab.training():
            pass
    assert [run.info.status for run in lab.runs()] == ["FINISHED", "FINISHED"]


def test_second_trainer_of_one_id_gets_its_own_run():
    with lab.training() as first:
        first.log_metrics({"loss": 1.0}, 1)
        with lab.training(name="second") as second:
            second.log_metrics({"loss": 2.0}, 1)
    assert sorted(run.data.metrics["loss"] for run in lab.runs()) == [1.0, 2.0]


def test_scores_go_to_the_newest_finished_training():
    for training_id in ("a", "b"):
        with lab.training(training_id=training_id):
            pass
    with lab.interrupted(training_id="c"):
        pass
    with lab.scoring() as run:
        run.log_metrics({"test/prior/frechet_distance": 9.0}, 100)
    found = {run.data.tags["genlab.training_id"]: run for run in lab.runs()}
    assert "test/prior/frechet_distance" in found["b"].data.metrics
    assert not found["a"].data.metrics
    assert len(found) == 3


def test_scoring_again_adds_nothing(root):
    with lab.training():
        pass
    for _ in range(2):
        with lab.scoring() as run:
            run.log_metrics({"test/reconstruction/mse": 0.5, "test/prior/none": math.nan}, 10)
            run.log_image(lab.picture(root), "test/samples", 10)
    (found,) = lab.runs()
    assert lab.points(found, "test/reconstruction/mse") == [(10, 0.5)]
    assert len(lab.points(found, "test/prior/none")) == 1
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
    found = [
        (run.data.tags["genlab.run"], run.data.tags["genlab.protocol"], run.data.metrics)
        for run in lab.runs()
    ]
    assert found == [
        ("scoring", "first", {"score": 1.0}),
        ("training", "second", {"score": 2.0}),
        ("scoring", "third", {"score": 3.0}),
    ]
    assert {run.data.tags["genlab.train_key"] for run in lab.runs()} == {"key"}


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
    with pytest.raises(InputError, match="name must consist of"), lab.training() as run:
        run.log_metrics({name: 1.0}, 1)


def test_first_users_at_once_make_one_store(root):
    (root / "mlflow.db").unlink()
    code = """
    with lab.training(training_id=lab.os.environ["WHO"]) as run:
        run.log_metrics({"loss": 1.0}, 1)
    """
    processes = [
        start_process(root, code.replace('lab.os.environ["WHO"]', repr(str(who))))
        for who in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert sorted(run.data.tags["genlab.training_id"] for run in lab.runs()) == ["0", "1"]
    assert {run.info.status for run in lab.runs()} == {"FINISHED"}


def test_ui_listens_on_this_machine_alone(root, monkeypatch):
    command, environment = tracking.ui_command(port=5001)
    assert (root / "mlflow.db").is_file()
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{root}/mlflow.db"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:pass@host:1")
    with pytest.raises(InputError, match="Open http://host:1"):
        tracking.ui_command()


def test_old_interrupted_journals_are_tidied(root, monkeypatch):
    with lab.interrupted():
        pass
    assert not tracking.sync().entries
    assert len(lab.journals(root)) == 1
    later = time.time_ns() + 40 * 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    tracking.sync()
    assert lab.journals(root) == []


def test_description_is_ours_until_somebody_writes_another(root):
    with lab.training() as run:
        run.describe("first ![a]({artifacts}a.png)")
    (found,) = lab.runs()
    address = f"get-artifact?run_uuid={found.info.run_id}&path=a.png"
    assert found.data.tags["mlflow.note.content"] == f"first ![a]({address})"
    with lab.scoring() as run:
        run.describe("second")
    assert lab.runs()[0].data.tags["mlflow.note.content"] == "second"
    lab.client().set_tag(found.info.run_id, "mlflow.note.content", "my own")
    with lab.scoring() as run:
        run.describe("third")
    assert lab.runs()[0].data.tags["mlflow.note.content"] == "my own"


def test_system_metrics_come_with_the_trainings_own(monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.001")
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


def test_system_metrics_that_fail_stop_nothing(monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0")
    monkeypatch.setattr("psutil.cpu_percent", lambda: 1 / 0)
    with lab.training() as run:
        run.log_metrics({"loss": 1.0}, 1)
        run.log_metrics({"loss": 1.0}, 2)
    (found,) = lab.runs()
    assert list(found.data.metrics) == ["loss"]
    assert caplog.text.count("System metrics are off") == 1


def test_ui_shows_the_columns_that_are_shared(root):
    tracking.ui_command()
    experiment = lab.client().get_experiment_by_name("genlab")
    columns = json.loads(experiment.tags["mlflow.sharedViewState.genlab"])["selectedColumns"]
    assert "metrics.`test/prior/frechet_distance`" in columns
    assert view.COLUMNS[0] == "metrics.`test/prior/frechet_distance`"
    assert not [column for column in view.COLUMNS if column.startswith("attributes.")], (
        "wide links push numbers away"
    )
    assert view.page("http://a:1/", "7") == (
        "http://a:1/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=genlab"
    )


def test_user_interface_on_a_port_in_use_is_one_line(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "genlab",
            "ui",
            "--port",
            str(port),
        ]  # a process: it would become a server
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"the port must be free. Received: {port} (Address already in use" in done.stderr
