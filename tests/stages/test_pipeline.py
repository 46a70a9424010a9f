"""`dvc repro` on a copy of the repository: few steps, a second run, a variant, a fresh clone."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from repository import commit, copy_repository, edit, environment, read_yaml, run
from ruamel.yaml import YAML

from genlab import report
from genlab.settings import params as parameters
from genlab.stages import evaluate, features, fetch, floor, train, validate

ROOT = Path(__file__).parents[2]
MODELS = ["autoencoder", "vae", "gan"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the pipeline ran once, with profile `smoke`, on digits."""
    folder = tmp_path_factory.mktemp("copy")
    copy_repository(folder)
    edit(folder, profile="smoke", data={"name": "digits"})
    commit(folder, "copy")
    run(folder, "dvc", "repro")
    commit(folder, "results")
    return folder


def runs_in_store(folder: Path) -> list[tuple[str, set[str]]]:
    code = (
        "import json, mlflow; client = mlflow.MlflowClient('sqlite:///mlflow.db');"
        "runs = client.search_runs([e.experiment_id for e in client.search_experiments()]);"
        "print(json.dumps([[r.data.tags['genlab.model'], r.info.status, sorted(r.data.metrics)] "
        "for r in runs]))"
    )
    runs = json.loads(run(folder, sys.executable, "-c", code).splitlines()[-1])
    assert {status for _, status, _ in runs} == {"FINISHED"}
    return [(name, set(metrics)) for name, _, metrics in runs]


def scores_in_store(folder: Path) -> dict[str, set[str]]:
    return dict(runs_in_store(folder))


def read_scores(folder: Path, name: str) -> dict[str, float]:
    return json.loads((folder / "reports" / "scores" / name / "metrics.json").read_text())


def test_every_model_is_scored_and_on_the_page(copy: Path) -> None:
    page = (copy / "reports" / "index.html").read_text()
    for name in MODELS:
        assert f">{name}<" in page
        assert (copy / "models" / name / "model.weights.h5").is_file()
        assert read_scores(copy, name)["test/reconstruction_subset/mse"] > 0


def test_store_has_one_run_per_model_with_all_scores(copy: Path) -> None:
    assert sorted(name for name, _ in runs_in_store(copy)) == sorted(MODELS)
    runs = scores_in_store(copy)
    for name in MODELS:
        assert set(read_scores(copy, name)) <= runs[name]


def test_second_repro_does_nothing(copy: Path) -> None:
    out = run(copy, "dvc", "repro")
    assert "Running stage" not in out
    assert "up to date" in out
    assert run(copy, "git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_fresh_clone_scores_again_and_ends_with_the_same_hashes(copy: Path, tmp_path: Path) -> None:
    """Git has metrics.json and dvc.lock; the clone's own MLflow store still gets all scores."""
    clone = tmp_path / "clone"
    run(copy, "git", "clone", "-q", ".", str(clone))
    run(clone, "dvc", "repro")
    runs = scores_in_store(clone)
    for name in MODELS:
        assert set(read_scores(clone, name)) <= runs[name]
    assert (
        run(clone, "git", "status", "--porcelain") == ""
    )  # dvc.lock and metrics.json, byte for byte


@pytest.mark.slow
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


@pytest.mark.slow
def test_temporary_experiment_runs_its_own_code_and_logs_into_the_repository(copy: Path) -> None:
    before = set(scores_in_store(copy))
    package = copy / "src" / "genlab" / "__init__.py"
    text = package.read_text()
    package.write_text(
        text.replace('__version__ = "', '__version__ = "9.')
    )  # not committed: it goes along
    try:
        run(
            copy,
            "dvc",
            "exp",
            "run",
            "--temp",
            "--name",
            "heavier",
            "-S",
            "models.vae.kl_weight=2",
            "train@vae",
        )
        code = (
            "import mlflow; client = mlflow.MlflowClient('sqlite:///mlflow.db');"
            "runs = client.search_runs(['1'], \"tags.`genlab.dvc_experiment` = 'heavier'\");"
            "print(*[float(r.data.params['kl_weight']) for r in runs],"
            "*[r.data.tags[f'genlab.{name}'] for r in runs for name in ('dvc_stage', 'version')])"
        )
        found = run(copy, sys.executable, "-c", code).splitlines()[-1]
    finally:
        package.write_text(text)
    assert found == "2.0 train@vae 9.0.1.0"
    assert set(MODELS) <= before
    assert read_yaml(copy)["models"]["vae"]["kl_weight"] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"name": "mnits"}}, "data.name must be one of cifar10, digits"),
        ({"profile": "smok"}, "profile must be one of default, best, likelihood, smoke"),
        (
            {"datasets": {"digits": {"trainig": {}}}},
            "datasets.digits has no key 'trainig' (nearest: 'training')",
        ),
    ],
)
def test_misspelt_name_is_one_line_also_under_dvc(copy: Path, change: dict, message: str) -> None:
    edit(copy, **change)
    try:
        done = subprocess.run(
            ["dvc", "repro", "fetch"],
            cwd=copy,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        run(copy, "git", "checkout", "-q", "params.yaml")
        run(copy, "dvc", "checkout", "-q")  # DVC removes a stage's outputs before it runs it
    assert done.returncode != 0
    assert [
        line for line in done.stderr.splitlines() if line.startswith("error: ") and message in line
    ]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_queue_with_two_workers(copy: Path) -> None:
    for weight in (3, 5):
        run(
            copy,
            "dvc",
            "exp",
            "run",
            "--queue",
            "--name",
            f"kl{weight}",
            "-S",
            f"models.vae.kl_weight={weight}",
        )
    run(copy, "dvc", "queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 400
    while (
        "Success" not in (status := run(copy, "dvc", "queue", "status"))
        or "Running" in status
        or "Queued" in status
    ):
        assert time.monotonic() < deadline, status
        assert "Failed" not in status, run(copy, "dvc", "queue", "logs", "kl3")
        time.sleep(3)
    shown = run(copy, "dvc", "exp", "show", "--csv")
    assert "kl3" in shown
    assert "kl5" in shown
    run(copy, "dvc", "metrics", "diff", "HEAD", "kl5")


@pytest.mark.slow
def test_mlflow_runs_the_project(copy: Path) -> None:
    run(copy, "dvc", "repro")  # what the tests before left stale
    run(copy, "mlflow", "run", ".", "--env-manager", "local", "-e", "train", "-P", "model=vae")
    assert "up to date" in run(copy, "dvc", "repro")


def test_dvc_plots_show_curves_and_pictures(copy: Path, tmp_path: Path) -> None:
    run(copy, "dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "negative_elbo" in page
    assert len(list((tmp_path / "plots" / "static").glob("*samples_*.png"))) >= 3


@pytest.mark.slow
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
    floor.run(params, images, tmp_path / "features", out / "floor")
    for name in params.models:
        train.run(
            params, name, images, tmp_path / "features", tmp_path / "models" / name, out / "timings"
        )
        places = {"scores": out / "scores" / name, "pictures": out / "evaluation" / name}
        evaluate.run(
            params,
            tmp_path / "models" / name,
            images,
            tmp_path / "features",
            out / "floor",
            **places,
        )
    names = ("scores", "evaluation", "timings", "plots", "rate_distortion", "data_docs")
    report.run(
        params,
        models=tmp_path / "models",
        features=tmp_path / "features",
        images=images,
        validation=tmp_path / "validation.json",
        pages=out / "models",
        out=out / "index.html",
        **{name: out / name for name in names},
    )
    with np.load(out / "evaluation" / "gan" / "pictures.npz") as pictures:
        assert pictures["prior_samples"].shape[1:] == (32, 32, 3)
        assert pictures["reconstructions"].dtype == np.uint8
    page = (out / "index.html").read_text()
    assert "photo_patches" in page
    assert "Fréchet Inception distance, prior samples" in page, (
        "of colour images it is said that it was not measured"
    )
    assert "the published Inception graph is not given" in page
