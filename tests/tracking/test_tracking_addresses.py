"""From `models:/...` to a folder with a trained model."""

import json
from pathlib import Path

import pytest
import tracking_workspace as lab

from genlab.runtime.errors import InputError
from genlab.tracking import registry


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return lab.enter(monkeypatch, tmp_path)


def log_a_model(root: Path) -> str:
    """Logs a folder that looks like a trained model; returns the logged model's id."""
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
    registry.crown("vae", lab.runs()[0].info.run_id, "key", {"genlab.kind": "vae"}, "good")
    addresses = (f"models:/{identity}", "models:/vae/1", "models:/vae@champion")
    (folder,) = {registry.model_folder(address) for address in addresses}
    assert (folder / "model.weights.h5").read_bytes() == b"weights"
    champion = registry.champion("vae")
    assert champion is not None
    assert (champion.address, champion.tags, champion.scores) == (
        "models:/vae/1",
        {"genlab.kind": "vae"},
        {},
    )
    assert registry.champion("gan") is None


@pytest.mark.parametrize(
    ("address", "model"),
    [("models:/gan@champion", "gan"), ("models:/vae/7", "vae"), (f"models:/m-{'0' * 32}", "")],
)
def test_missing_model_is_one_line(address: str, model: str) -> None:
    with pytest.raises(InputError) as error:
        registry.model_folder(address)
    assert error.value.expected.startswith(f"{address} must be in MLflow at sqlite:")
    assert error.value.where == f"Run: genlab promote {model or '<model>'}"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "address", ["models/vae", "models:/vae", "models:/vae@a/b", "models:/vae/champion"]
)
def test_other_form_is_refused(address: str) -> None:
    with pytest.raises(InputError) as error:
        registry.model_folder(address)
    assert error.value.received == repr(address)


def test_a_read_makes_no_store(root: Path) -> None:
    (root / "mlflow.db").unlink()
    with pytest.raises(InputError) as error:
        registry.model_folder("models:/vae@champion")
    assert error.value.received == "no such file"
    assert not (root / "mlflow.db").exists()


def test_server_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError) as error:
        registry.model_folder("models:/vae@champion")
    assert error.value.expected == "MLflow must answer at http://127.0.0.1:9"
