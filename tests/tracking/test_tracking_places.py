"""A project in a folder of any name, moved, and copied: it finds and writes its own files alone."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import tracking_workspace as lab

from genlab.tracking import registry, store

NAMES = ("GAN #2", "100% done", "My%20Project", "my project (copy) ü", "what?", "a+b;c&d=e@f")


def train_and_crown(root: Path, key: str = "key") -> Path:
    """Logs a run with image, artifact and model, makes it champion; returns the model's folder."""
    folder = root / "models" / "small"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps({"image_shape": [8, 8, 1]}))
    (folder / "model.weights.h5").write_text(key)
    with lab.training(train_key=key, training_id=key) as run:
        lab.log_steps(run, root, range(1))
        run.log_artifact(folder, "files")
        run.log_model(folder)
    registry.crown("vae", lab.runs()[-1].info.run_id, key, {}, "good")
    return registry.model_folder("models:/vae@champion")


def files(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in root.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_folder_of_any_name_holds_all_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = tmp_path / name
    root.mkdir()
    lab.enter(monkeypatch, root)
    folder = train_and_crown(root)
    assert folder.is_relative_to(root / "mlartifacts")
    assert list(tmp_path.iterdir()) == [root]
    assert lab.journals(root) == []
    (found,) = lab.runs()
    assert len(lab.artifacts(found, "images")) == 2


@pytest.mark.parametrize("road", [["cp", "-a"], ["mv"]])
def test_moved_and_copied_projects_use_their_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], road
) -> None:
    original, place = tmp_path / "original", tmp_path / "new #1"
    original.mkdir()
    lab.enter(monkeypatch, original)
    train_and_crown(original)
    former = files(original)
    subprocess.run([*road, original, place], check=True)
    monkeypatch.chdir(place)
    monkeypatch.setenv("DVC_ROOT", str(place))
    capsys.readouterr()
    folder = registry.model_folder("models:/vae@champion")
    assert folder.is_relative_to(place)
    assert (folder / "model.weights.h5").read_text() == "key"
    said = f"MLflow's artifacts are now those in {place}, not in {original}\n"
    assert capsys.readouterr().err == said
    assert train_and_crown(place, "later").is_relative_to(place)
    runs = lab.runs()
    assert [len(lab.artifacts(run, "images")) for run in runs] == [2, 2]
    assert all(run.info.artifact_uri.startswith(place.as_uri()) for run in runs)
    assert capsys.readouterr().err == ""
    assert original.exists() == (road[0] == "cp")
    if original.exists():
        assert files(original) == former


def test_unsent_entries_of_a_copy_go_to_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    lab.enter(monkeypatch, original)
    with lab.interrupted() as run:
        run.log_metrics({"loss": 1.0}, 1)
    shutil.copytree(original, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(copy))
    with lab.training() as run:
        run.log_metrics({"loss": 0.5}, 2)
    assert [found.info.status for found in lab.runs()] == ["FINISHED"]
    monkeypatch.setenv("DVC_ROOT", str(original))
    assert [found.info.status for found in lab.runs()] == ["KILLED"]


def test_artifacts_that_somebody_put_elsewhere_stay_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.enter(monkeypatch, tmp_path)
    elsewhere = tmp_path / "disk" / "mlartifacts"
    elsewhere.mkdir(parents=True)
    lab.client().create_experiment("genlab", artifact_location=elsewhere.as_uri())
    store._client.cache_clear()
    with lab.training() as run:
        run.log_artifact(lab.picture(tmp_path), "pictures")
    assert lab.runs()[0].info.artifact_uri.startswith(elsewhere.as_uri())


def test_store_of_an_earlier_version_follows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, place = tmp_path / "original", tmp_path / "new"
    original.mkdir()
    lab.enter(monkeypatch, original)
    location = str(original / "mlartifacts")  # as a path, not as an address
    lab.client().create_experiment("genlab", artifact_location=location)
    train_and_crown(original)
    original.rename(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("DVC_ROOT", str(place))
    folder = registry.model_folder("models:/vae@champion")
    assert (folder / "model.weights.h5").read_text() == "key"
    assert not original.exists()
