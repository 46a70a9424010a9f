"""Exported models give what the trained model gives, in programs that know nothing of genlab."""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import (
    all_kinds,
    fixture_chapters,
    random_fields,
    tiny_model,
    write_trained_model,
)

from genlab.contract.capabilities import Encodes, Generates
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.workflows import export
from genlab.workflows.export import Format

SHAPE = (8, 8, 1)


@pytest.fixture(autouse=True)
def _chapters() -> Iterator[None]:
    with fixture_chapters():
        yield


def written(folder: Path, kind: str, **changes: str) -> Path:
    return write_trained_model(folder / kind, tiny_model(kind, SHAPE, **changes), kind, SHAPE)


def run_onnx(folder: Path, name: str, function: dict[str, Any], inputs: dict[str, Any]) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = folder / function["file"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    needed = [node.name for node in session.get_inputs()]  # a translator's noise has no effect
    return session.run([function["output"]["name"]], {key: inputs[key] for key in needed})[0]


def run_savedmodel(folder: Path, name: str, function: dict[str, Any], inputs: Any) -> Any:
    signature = tf.saved_model.load(str(folder)).signatures[name]
    tensors = {key: tf.constant(values) for key, values in inputs.items()}
    return signature(**tensors)[function["output"]["name"]]


FORMATS: dict[str, Callable[..., Any]] = {"savedmodel": run_savedmodel, "onnx": run_onnx}


CASES = [(kind, {}, form) for kind in all_kinds() for form in FORMATS]
CASES += [("vae", {"network": "convolutional"}, "onnx")]


@pytest.mark.parametrize(("kind", "changes", "form"), CASES, ids=str)
def test_functions_give_what_the_model_gives(
    tmp_path: Path, kind: str, changes: dict[str, str], form: str
) -> None:
    """Also with another number of rows than that of the check, and with other labels."""
    for package in export.FORMATS[form].packages:
        pytest.importorskip(package)
    folder = written(tmp_path, kind, **changes)
    model, out = trained_model.load(folder).model, export.export(folder, form, tmp_path / "out")
    functions = json.loads((out / "export.json").read_text())["functions"]
    generator, fields = np.random.default_rng(3), random_fields(5, SHAPE)
    fields["labels"] = np.array([1, 0, 1, 1, 0], np.int32)
    expected: dict[str, tuple[dict[str, Any], Any]] = {}
    if isinstance(model, Encodes):
        images, latents = fields["images"] / np.float32(255), generator.random((5, 3), np.float32)
        encoded = model.encode(images)
        expected["encode"] = {"images": images}, encoded
        expected["decode"] = {"latents": latents}, model.decode(latents)
        expected["reconstruct"] = {"images": images}, model.decode(encoded)
    if isinstance(model, Generates):
        noise = generator.standard_normal((5, *model.noise_shape), np.float32)
        given = {name: fields[name] for name in model.given}
        if "inputs" in given:
            given["inputs"] = given["inputs"] / np.float32(255)
        tensors = {name: tf.constant(values) for name, values in given.items()}
        images = model.generate(tf.constant(noise), tensors)
        expected["generate"] = {"noise": noise, **given}, images
    assert functions.keys() == expected.keys()
    for name, (inputs, outputs) in expected.items():
        described = {about["name"]: about for about in functions[name]["inputs"]}
        assert described.keys() == inputs.keys()
        for key, values in inputs.items():
            assert described[key]["shape"] == [None, *values.shape[1:]]
            assert described[key]["dtype"] == values.dtype.name
        values = FORMATS[form](out, name, functions[name], inputs)
        np.testing.assert_allclose(values, outputs, atol=1e-5, err_msg=name)
        assert functions[name]["output"]["shape"] == [None, *outputs.shape[1:]]


def test_manifest_says_what_is_there(tmp_path: Path) -> None:
    out = export.export(written(tmp_path, "gan"), "savedmodel", tmp_path / "out")
    manifest = json.loads((out / "export.json").read_text())
    facts = {"kind": "gan", "train_key": "0" * 32, "format": "savedmodel", "latent_prior": "normal"}
    assert manifest.items() >= facts.items()
    images = {"name": "images", "shape": [None, 8, 8, 1], "dtype": "float32", "range": [0.0, 1.0]}
    assert manifest["functions"]["generate"]["output"] == images
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "export.json"]
    hashes = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    assert manifest["sha256"] == hashes


def test_export_that_differs_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = export.FORMATS["savedmodel"]
    wrong = Format(right.write, lambda *how: right.run(*how) + 2e-5, ())
    monkeypatch.setitem(export.FORMATS, "savedmodel", wrong)
    with pytest.raises(InputError, match="must give what the trained model gives, within 1e-05"):
        export.export(written(tmp_path, "vae"), "savedmodel", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["vae"]


def test_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    with pytest.raises(InputError) as caught:
        export.export(tmp_path, "onnx", tmp_path / "out")
    assert caught.value.received == "no tf2onnx"
    assert caught.value.where == "Run: pip install 'genlab[onnx]'"


def test_other_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(InputError, match="must be new, empty or an export that genlab wrote"):
        export.export(written(tmp_path, "vae"), "savedmodel", tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").is_file()
