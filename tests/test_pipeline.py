"""`dvc repro` on a copy of the repository: the whole pipeline in few steps, a second run, a variant, a fresh clone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from genlab import params as parameters
from genlab.stages import evaluate, features, fetch, report, train, validate

ROOT = Path(__file__).parents[1]
MODELS = ["autoencoder", "vae", "gan"]
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.org"]


def environment() -> dict[str, str]:
    """Returns an environment in which `python` and `dvc` are those of the tests, with nothing of DVC or MLflow set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "GENLAB_"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def edit(folder: Path, **changes: dict) -> None:
    yaml, path = YAML(), folder / "params.yaml"
    values = yaml.load(path)
    for section, content in changes.items():
        if isinstance(content, dict):
            values[section].update(content)
        else:
            values[section] = content
    yaml.dump(values, path)


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", *IDENTITY, "commit", "-qm", message)


def copy_repository(folder: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "-q")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the pipeline ran once, with the profile `smoke`, on digits."""
    folder = tmp_path_factory.mktemp("copy")
    copy_repository(folder)
    edit(folder, profile="smoke", data={"name": "digits"})
    commit(folder, "copy")
    run(folder, "dvc", "repro")
    commit(folder, "results")
    return folder


def scores_in_store(folder: Path) -> dict[str, set[str]]:
    code = (
        "import json, mlflow; client = mlflow.MlflowClient('sqlite:///mlflow.db');"
        "runs = client.search_runs([e.experiment_id for e in client.search_experiments()]);"
        "print(json.dumps([[r.info.run_name, r.info.status, sorted(r.data.metrics)] for r in runs]))"
    )
    runs = json.loads(run(folder, sys.executable, "-c", code).splitlines()[-1])
    assert {status for _, status, _ in runs} == {"FINISHED"}
    assert len(runs) == len({name for name, _, _ in runs})
    return {name: set(metrics) for name, _, metrics in runs}


def read_scores(folder: Path, name: str) -> dict[str, float]:
    return json.loads((folder / "reports" / "scores" / name / "metrics.json").read_text())


def test_every_model_is_scored_and_on_the_page(copy: Path) -> None:
    page = (copy / "reports" / "index.html").read_text()
    for name in MODELS:
        assert f">{name}<" in page
        assert (copy / "models" / name / "model.weights.h5").is_file()
        assert read_scores(copy, name)["test/reconstruction_subset/mse"] > 0


def test_store_has_one_run_per_model_with_all_scores(copy: Path) -> None:
    runs = scores_in_store(copy)
    assert set(runs) == set(MODELS)
    for name in MODELS:
        assert set(read_scores(copy, name)) <= runs[name]


def test_second_repro_does_nothing(copy: Path) -> None:
    out = run(copy, "dvc", "repro")
    assert "Running stage" not in out
    assert "up to date" in out
    assert run(copy, "git", "status", "--porcelain") == ""


def test_fresh_clone_scores_again_and_ends_with_the_same_hashes(copy: Path, tmp_path: Path) -> None:
    """Git has metrics.json and dvc.lock; the clone's own MLflow store must get the scores all the same."""
    clone = tmp_path / "clone"
    run(copy, "git", "clone", "-q", ".", str(clone))
    run(clone, "dvc", "repro", "evaluate@vae")
    assert set(read_scores(clone, "vae")) <= scores_in_store(clone)["vae"]
    assert run(clone, "git", "status", "--porcelain") == ""  # dvc.lock and metrics.json, byte for byte


def test_variant_is_one_entry(copy: Path) -> None:
    yaml = YAML(typ="safe")
    entry = dict(yaml.load(copy / "params.yaml")["models"]["vae"])
    edit(copy, models={"beta_vae": entry | {"kl_weight": 4.0}})
    try:
        out = run(copy, "dvc", "repro")
        ran = [line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")]
        assert ran == ["train@beta_vae", "evaluate@beta_vae", "report"]
        assert ">beta_vae<" in (copy / "reports" / "index.html").read_text()
        assert read_scores(copy, "beta_vae") != read_scores(copy, "vae")
    finally:
        run(copy, "git", "checkout", "-q", "params.yaml")


def test_all_stages_on_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    copied = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", copied)
    edit(tmp_path, profile="smoke", data={"name": "photo_patches"})
    params = parameters.load(copied)
    images, out = tmp_path / "images", tmp_path / "reports"
    fetch.run(params, images)
    validate.run(params, images, tmp_path / "validation.json", out / "data_docs")
    features.run(params, images, tmp_path / "features")
    for name in params.models:
        train.run(params, name, images, tmp_path / "models" / name, out / "timings")
        places = {"scores": out / "scores" / name, "pictures": out / "evaluation" / name}
        evaluate.run(params, tmp_path / "models" / name, images, tmp_path / "features", **places)
    folders = {name: out / name for name in ("scores", "evaluation", "timings", "plots")}
    report.run(
        params,
        models=tmp_path / "models",
        features=tmp_path / "features",
        images=images,
        validation=tmp_path / "validation.json",
        out=out / "index.html",
        **folders,
    )
    with np.load(out / "evaluation" / "gan" / "pictures.npz") as pictures:
        assert pictures["prior_samples"].shape[1:] == (32, 32, 3)
        assert pictures["reconstructions"].dtype == np.uint8
    assert "photo_patches" in (out / "index.html").read_text()
