"""Exported models give what the trained model gives, in programs that know nothing of genlab."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images, tiny_model, write_trained_model

from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.workflows import export
from genlab.workflows.export import Format

SHAPE = (8, 8, 1)
CASES = [
    (kind, network)
    for kind in ("autoencoder", "vae", "gan")
    for network in ("dense", "convolutional")
]


def written(folder: Path, kind: str, network: str = "dense") -> Path:
    return write_trained_model(folder / kind, tiny_model(kind, SHAPE, network=network), kind, SHAPE)


def inputs() -> dict[str, np.ndarray]:
    latents = np.random.default_rng(3).standard_normal((5, 3)).astype(np.float32)
    return {"images": (random_images(5, SHAPE, 9) / 255).astype(np.float32), "latents": latents}


@pytest.mark.parametrize(("kind", "network"), CASES)
def test_onnx_gives_what_the_model_gives(tmp_path: Path, kind: str, network: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    folder = written(tmp_path, kind, network)
    out = export.export(folder, "onnx", tmp_path / "out")
    model, given = trained_model.load(folder), inputs()
    functions = json.loads((out / "export.json").read_text())["functions"]
    assert list(functions) == (["decode"] if kind == "gan" else ["encode", "decode", "reconstruct"])
    for name, about in functions.items():
        session = onnxruntime.InferenceSession(
            out / about["file"], providers=["CPUExecutionProvider"]
        )
        (values,) = session.run(
            [about["output"]["name"]], {about["input"]["name"]: given[about["input"]["name"]]}
        )
        expected = getattr(model, name)(given[about["input"]["name"]])
        np.testing.assert_allclose(values, expected, atol=1e-5, err_msg=name)
        assert list(values.shape[1:]) == about["output"]["shape"][1:]


@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_savedmodel_gives_what_the_model_gives(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path, kind)
    out = export.export(folder, "savedmodel", tmp_path / "out")
    loaded, model, given = tf.saved_model.load(str(out)), trained_model.load(folder), inputs()
    for name, about in json.loads((out / "export.json").read_text())["functions"].items():
        takes, gives = about["input"]["name"], about["output"]["name"]
        values = loaded.signatures[name](tf.constant(given[takes]))[gives]
        np.testing.assert_allclose(
            values, getattr(model, name)(given[takes]), atol=1e-5, err_msg=name
        )


def test_manifest_says_what_is_there(tmp_path: Path) -> None:
    out = export.export(written(tmp_path, "gan"), "savedmodel", tmp_path / "out")
    manifest = json.loads((out / "export.json").read_text())
    known = {"kind": "gan", "train_key": "0" * 32, "format": "savedmodel", "latent_prior": "normal"}
    assert manifest | known == manifest
    assert manifest["functions"]["decode"]["input"]["shape"] == [None, 3]
    assert manifest["functions"]["decode"]["output"] == {
        "name": "images",
        "shape": [None, 8, 8, 1],
        "dtype": "float32",
        "range": [0.0, 1.0],
    }
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - {
        "export.json"
    }
    assert set(manifest["sha256"]) == files
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_autoencoder_has_no_prior(tmp_path: Path) -> None:
    out = export.export(written(tmp_path, "autoencoder"), "savedmodel", tmp_path / "out")
    assert json.loads((out / "export.json").read_text())["latent_prior"] is None


def test_export_that_differs_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = export.FORMATS["savedmodel"]

    def run(*arguments: object) -> dict[str, np.ndarray]:
        return {name: values + 2e-5 for name, values in true.run(*arguments).items()}

    monkeypatch.setitem(export.FORMATS, "savedmodel", Format(true.write, run, ()))
    with pytest.raises(InputError, match="must give what the trained model gives, within 1e-05"):
        export.export(written(tmp_path, "vae"), "savedmodel", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["vae"]


def test_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = export.importlib.util.find_spec
    monkeypatch.setattr(
        export.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    with pytest.raises(
        InputError, match=r"Received: no tf2onnx\. Run: pip install 'genlab\[onnx\]'"
    ):
        export.export(tmp_path, "onnx", tmp_path / "out")


def test_other_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="must be new, or an earlier export"):
        export.export(written(tmp_path, "vae"), "savedmodel", tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()
