"""`dvc repro` on a copy of the repository: few steps, again, a variant, a fresh clone."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from repository import ROOT, commit, copy_repository, edit, environment, read_yaml, run
from ruamel.yaml import YAML

from genlab import cli
from genlab.data import expectations, splits
from genlab.evaluation import results
from genlab.report import plots, writing
from genlab.stages import features
from genlab.training import result

MODELS = read_yaml(ROOT)["models"]
NUM_KILLS, KILL_SEED = 20, 5


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the pipeline ran: `smoke`, digits, one model."""
    folder = tmp_path_factory.mktemp("copy")
    copy_repository(folder)
    edit(folder, profile="smoke", data={"name": "digits"})
    keep_models(folder, "vae")
    commit(folder, "copy")
    run(folder, "dvc", "repro")
    commit(folder, "results")
    return folder


def keep_models(folder: Path, *names: str) -> None:
    """Writes the entries of these models alone."""
    yaml, path = YAML(), folder / "params.yaml"
    values = yaml.load(path)
    values["models"] = {name: MODELS[name] for name in names}
    yaml.dump(values, path)


@pytest.fixture
def _clean(copy: Path) -> Iterator[None]:
    """Puts params.yaml and what a failed stage removed back."""
    yield
    run(copy, "git", "checkout", "-q", "params.yaml")
    run(copy, "dvc", "checkout", "-q")


def runs_in_store(folder: Path, condition: str = "") -> list[dict[str, Any]]:
    """Returns tags, status, parameters and metrics of the runs in a copy's MLflow store."""
    code = (
        "import json, sys, mlflow; client = mlflow.MlflowClient('sqlite:///mlflow.db');"
        "runs = client.search_runs(['1'], sys.argv[1]);"
        "print(json.dumps([r.data.to_dictionary() | {'status': r.info.status} for r in runs]))"
    )
    return json.loads(run(folder, sys.executable, "-c", code, condition).splitlines()[-1])


def read_scores(folder: Path, name: str) -> dict[str, float]:
    return json.loads((folder / "reports" / "scores" / name / "metrics.json").read_text())


def assert_store_has_all_scores(folder: Path) -> None:
    runs = runs_in_store(folder)
    metrics = {run["tags"]["genlab.model"]: set(run["metrics"]) for run in runs}
    for name in read_yaml(folder)["models"]:
        assert set(read_scores(folder, name)) <= metrics[name]


def assert_every_model_is_scored_and_on_the_page_and_has_one_run(copy: Path, *names: str) -> None:
    page = (copy / "reports" / "index.html").read_text()
    for name in names:
        assert f">{name}<" in page
        assert (copy / "models" / name / "model.weights.h5").is_file()
        assert read_scores(copy, name)["test/inversion/mse"] > 0
    runs = runs_in_store(copy)
    assert sorted(run["tags"]["genlab.model"] for run in runs) == sorted(names)
    assert {run["status"] for run in runs} == {"FINISHED"}
    assert_store_has_all_scores(copy)


def test_a_model_is_scored_and_on_the_page_and_has_one_run(copy: Path) -> None:
    assert_every_model_is_scored_and_on_the_page_and_has_one_run(copy, "vae")


@pytest.mark.slow
def test_so_is_every_model(tmp_path: Path) -> None:
    copy_repository(tmp_path)
    edit(tmp_path, profile="smoke", data={"name": "digits"})
    commit(tmp_path, "copy")
    run(tmp_path, "dvc", "repro")
    assert_every_model_is_scored_and_on_the_page_and_has_one_run(tmp_path, *MODELS)


def test_second_repro_does_nothing(copy: Path) -> None:
    out = run(copy, "dvc", "repro")
    assert "Running stage" not in out
    assert "up to date" in out
    assert run(copy, "git", "status", "--porcelain") == ""


KINDS = {
    "data/images": splits.KIND,
    "data/features": features.KIND,
    "models/vae": result.KIND,
    "reports/data_docs": expectations.KIND,
    "reports/evaluation/vae": results.PICTURES,
    "reports/models": writing.PAGES,
    "reports/plots": plots.KIND,
    "reports/scores/vae": results.SCORES,
}


def test_every_folder_is_known_as_what_it_is_and_as_nothing_else(copy: Path) -> None:
    for name, own in KINDS.items():
        known = [kind.name for kind in KINDS.values() if kind.stranger(copy / name) is None]
        assert known == [own.name], name


@pytest.mark.usefixtures("_clean")
def test_misspelt_name_is_one_line_also_under_dvc(copy: Path) -> None:
    edit(copy, data={"name": "mnits"})
    command = ["dvc", "repro", "fetch"]
    process = subprocess.run(
        command, cwd=copy, env=environment(), capture_output=True, text=True, check=False
    )
    assert process.returncode != 0
    (line,) = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert "Received: 'mnits'" in line
    assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_fresh_clone_scores_again_and_ends_with_the_same_hashes(copy: Path, tmp_path: Path) -> None:
    """Git has metrics.json and dvc.lock; still the clone's MLflow store must get all scores."""
    clone = tmp_path / "clone"
    run(copy, "git", "clone", "-q", ".", str(clone))
    run(clone, "dvc", "repro")
    assert_store_has_all_scores(clone)
    assert run(clone, "git", "status", "--porcelain") == "", "dvc.lock and metrics.json differ"


@contextmanager
def make_run(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `make run` in a process group of its own, which is gone afterwards."""
    command = ["make", "run", "PROFILE=smoke"]
    variables = environment() | {"PYTHONPATH": str(folder / "src")}
    with (folder.parent / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(process: subprocess.Popen[bytes], lock: Path, moment: float, is_write: bool) -> None:
    """Waits so many seconds, and then, if asked, for DVC to begin to write dvc.lock."""
    deadline = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    former = lock.stat()
    while is_write and process.poll() is None:
        present = lock.stat()
        if present.st_mtime_ns != former.st_mtime_ns and present.st_size < former.st_size:
            return


def clone_anew(copy: Path, clone: Path) -> None:
    """Makes a clone in which `make run` has all to do, and nothing to install."""
    shutil.rmtree(clone, ignore_errors=True)
    run(copy, "git", "clone", "-q", ".", str(clone))
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed-cpu").touch()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_twenty_times_and_the_same(copy: Path, tmp_path: Path) -> None:
    """Every other kill falls where DVC has begun to write dvc.lock; no one repairs anything."""
    clone, rng = tmp_path / "clone", np.random.default_rng(KILL_SEED)
    clone_anew(copy, clone)
    branch, sizes, codes = run(clone, "git", "branch", "--show-current"), [], []
    while len(sizes) < NUM_KILLS:
        with make_run(clone) as process:
            wait_until(process, clone / "dvc.lock", rng.uniform(0.5, 12), len(sizes) % 2 == 1)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                sizes.append((clone / "dvc.lock").stat().st_size)
            else:
                codes.append(process.returncode)
                clone_anew(copy, clone)  # where all is done, nothing is written
    print(f"dvc.lock after each kill, bytes: {sizes}; ends without a kill: {codes}")
    with make_run(clone) as process:
        codes.append(process.wait())
    assert set(codes) == {0}, (clone.parent / "log").read_text()[-4000:]
    assert run(clone, "git", "status", "--porcelain") == "", "dvc.lock has the weights' hashes"
    assert run(clone, "git", "branch", "--show-current") == branch
    assert {run["status"] for run in runs_in_store(clone)} == {"FINISHED"}
    assert_store_has_all_scores(clone)


@pytest.mark.slow
@pytest.mark.usefixtures("_clean")
def test_variant_is_one_entry(copy: Path) -> None:
    edit(copy, models={"beta_vae": read_yaml(copy)["models"]["vae"] | {"kl_weight": 4.0}})
    out = run(copy, "dvc", "repro")
    stages = [line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")]
    assert stages == ["train@beta_vae", "evaluate@beta_vae", "repeat@beta_vae", "report"]
    assert ">beta_vae<" in (copy / "reports" / "index.html").read_text()
    assert read_scores(copy, "beta_vae") != read_scores(copy, "vae")


def experiment(copy: Path, way: str, name: str, *words: str) -> None:
    run(copy, "dvc", "exp", "run", way, "--name", name, "-S", *words)


@pytest.mark.slow
def test_temporary_experiment_runs_its_own_code_and_logs_into_the_repository(copy: Path) -> None:
    package = copy / "src" / "genlab" / "__init__.py"
    text = package.read_text()
    uncommitted = text.replace('__version__ = "', '__version__ = "9.')
    package.write_text(uncommitted)
    try:
        experiment(copy, "--temp", "heavier", "models.vae.kl_weight=2", "train@vae")
    finally:
        package.write_text(text)
    (trained,) = runs_in_store(copy, "tags.`genlab.dvc_experiment` = 'heavier'")
    assert float(trained["params"]["kl_weight"]) == 2
    assert trained["tags"]["genlab.dvc_stage"] == "train@vae"
    assert trained["tags"]["genlab.version"].startswith("9.")
    assert read_yaml(copy)["models"]["vae"]["kl_weight"] == 1.0


@pytest.mark.slow
def test_queue_with_two_workers(copy: Path) -> None:
    for weight in (3, 5):
        experiment(copy, "--queue", f"kl{weight}", f"models.vae.kl_weight={weight}")
    run(copy, "dvc", "queue", "start", "--jobs", "2")
    deadline, status = time.monotonic() + 400, "Queued"
    while "Success" not in status or "Running" in status or "Queued" in status:
        assert time.monotonic() < deadline, status
        time.sleep(3)
        status = run(copy, "dvc", "queue", "status")
        assert "Failed" not in status, run(copy, "dvc", "queue", "logs", "kl3")
    shown = run(copy, "dvc", "exp", "show", "--csv")
    assert "kl3" in shown
    assert "kl5" in shown
    run(copy, "dvc", "metrics", "diff", "HEAD", "kl5")


@pytest.mark.slow
def test_mlflow_runs_the_project(copy: Path) -> None:
    run(copy, "dvc", "repro")  # what the tests before left stale
    run(copy, "mlflow", "run", ".", "--env-manager", "local", "-e", "train", "-P", "model=vae")
    assert "up to date" in run(copy, "dvc", "repro")


@pytest.mark.slow
def test_dvc_plots_show_curves_and_pictures(copy: Path, tmp_path: Path) -> None:
    run(copy, "dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "negative_elbo" in page
    assert len(list((tmp_path / "plots" / "static").glob("*samples_*.png"))) >= 3


def commands() -> Iterator[list[str]]:
    """Yields the arguments of `genlab` of every stage in dvc.yaml, in order."""
    for stage in read_yaml(ROOT, "dvc.yaml")["stages"].values():
        command = stage.get("do", stage)["cmd"].partition("-m genlab ")[2]
        for key in MODELS if "do" in stage else [""]:
            yield shlex.split(command.replace("${key}", key))


@pytest.mark.slow
def test_all_stages_on_colour(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.group.stopping, "install", lambda: None)
    shutil.copy(ROOT / "params.yaml", workplace)
    edit(workplace, profile="smoke", data={"name": "photo_patches"})
    for arguments in commands():
        result = CliRunner().invoke(cli.main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    with np.load("reports/evaluation/gan/pictures.npz") as pictures:
        assert pictures["prior_samples"].shape[1:] == (32, 32, 3)
        assert pictures["reconstructions"].dtype == np.uint8
    page = Path("reports/index.html").read_text()
    assert "photo_patches" in page
    assert "the published Inception graph is not given" in page, "that it was not measured"
