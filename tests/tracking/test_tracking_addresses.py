"""From `models:/...` to a folder with a trained model."""

import json
from pathlib import Path

import pytest
import tracking_workspace as lab

from genlab import tracking
from genlab.runtime.errors import InputError


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return lab.enter(monkeypatch, tmp_path)


def log_a_model(root: Path) -> str:
    """Logs a folder that has the form of a trained model; returns the logged model's id."""
    folder = root / "models" / "small"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({"image_shape": [8, 8, 1]}))
    (folder / "model.weights.h5").write_bytes(b"weights")
    with lab.training() as run:
        run.log_model(folder)
    (found,) = lab.runs()
    return found.outputs.model_outputs[0].model_id


def test_every_form_of_address_leads_to_the_same_folder(root: Path) -> None:
    identity = log_a_model(root)
    client = lab.client()
    client.create_registered_model("vae")
    version = client.create_model_version("vae", f"models:/{identity}", model_id=identity)
    client.set_registered_model_alias("vae", "champion", version.version)
    folder = tracking.model_folder(f"models:/{identity}")
    assert (folder / "model.weights.h5").read_bytes() == b"weights"
    assert (
        tracking.model_folder("models:/vae/1")
        == tracking.model_folder("models:/vae@champion")
        == folder
    )


@pytest.mark.parametrize(
    "address", ["models:/gan@champion", "models:/vae/7", f"models:/m-{'0' * 32}"]
)
def test_missing_model_is_one_line(address: str) -> None:
    with pytest.raises(
        InputError, match=r"must be in MLflow at sqlite:.*Received: .*Run: genlab promote"
    ) as caught:
        tracking.model_folder(address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["models/vae", "models:/vae", "models:/vae@a/b", "models:/vae/champion"]
)
def test_other_form_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="address must be models:/<model>@champion"):
        tracking.model_folder(address)


def test_no_store_is_made_for_a_question(root: Path) -> None:
    (root / "mlflow.db").unlink()
    with pytest.raises(InputError, match="store must be at sqlite"):
        tracking.model_folder("models:/vae@champion")
    assert not (root / "mlflow.db").exists()


def test_server_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"MLflow must answer at http://127\.0\.0\.1:9"):
        tracking.model_folder("models:/vae@champion")
