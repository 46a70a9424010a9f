"""The logged model: it loads and works in a process that does not have this repository."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tracking_workspace as lab

from genlab.runtime.errors import InputError
from genlab.tracking import moving, packaging

LOAD_AND_CALL = """
import sys, mlflow, numpy as np, pandas as pd
images = np.load("images.npy")
for index, address in enumerate(sys.argv[1:]):
    model = mlflow.pyfunc.load_model(address)
    def call(verb, column=None, values=(), **params):
        table = pd.DataFrame({column: list(values)}) if column else pd.DataFrame()
        return model.predict(table, params={"verb": verb, **params})
    latents = call("encode", "images", images)
    np.savez(
        f"{index}.npz",
        sample=call("sample", num_images=3, seed=5, source="prior"),
        encode=latents,
        reconstruct=call("reconstruct", "images", (images / 255).tolist()),
        decode=call("decode", "latents", latents),
    )
    import genlab, genlab.trained.model, genlab.models.vae
    print(genlab.__file__, genlab.trained.model.__file__, genlab.models.vae.__file__, sep="\\n")
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return lab.enter(monkeypatch, tmp_path)


@pytest.mark.slow
def test_model_works_without_the_repository(root):
    from fixtures_models import tiny_model, write_trained_model

    from genlab.trained import model as trained_model

    folder = write_trained_model(root / "models" / "small", tiny_model("vae"), "vae", (8, 8, 1))
    with lab.training() as run:
        run.log_metrics({"loss": 1.0}, 7)
        run.log_model(folder)
        run.log_model(folder)
    (found,) = lab.runs()
    (output,) = found.outputs.model_outputs
    assert output.step == 7
    logged = lab.client().get_logged_model(output.model_id)
    assert (logged.name, str(logged.status), logged.model_type) == ("model", "READY", "vae")
    saved = moving.local_path(logged.artifact_location)
    names = {part for path in saved.rglob("*") for part in (path.suffix, path.name)}
    assert not names & {".pkl", ".pickle", "__pycache__"}
    assert str(root) not in (saved / "MLmodel").read_text().replace(str(saved), "")

    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    np.save(elsewhere / "images.npy", images)
    ours = ("PYTHONPATH", "DVC_ROOT")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
    addresses = [f"models:/{output.model_id}", f"runs:/{found.info.run_id}/model"]
    process = subprocess.run(
        [sys.executable, "-I", "-c", LOAD_AND_CALL, *addresses],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    files = process.stdout.split()
    assert len(files) == 6
    assert all("/code/genlab/" in file and str(saved) in file for file in files[:3]), files

    model = trained_model.load(folder)
    floats = (images / 255).astype(np.float32)
    latents = model.encode(floats)
    expected = {"sample": model.sample(3, 5, "prior"), "encode": latents}
    expected |= {"reconstruct": model.reconstruct(floats), "decode": model.decode(latents)}
    for index in range(2):
        with np.load(elsewhere / f"{index}.npz") as answers:
            for verb, values in expected.items():
                np.testing.assert_allclose(answers[verb], values, atol=1e-5, err_msg=verb)


def test_packing_needs_a_trained_model(root):
    with pytest.raises(InputError) as error, lab.training() as run:
        run.log_model(root)
    assert error.value.received == "no settings.json"


def test_model_that_cannot_be_packed_does_not_stop_the_run(root, caplog):
    (root / "broken").mkdir()
    (root / "broken" / "settings.json").write_text("{")
    with lab.training() as run:
        run.log_model(root / "broken")
    assert lab.statuses() == ["FINISHED"]
    assert "could not pack the model" in caplog.text


def test_requirements_are_pinned():
    pins = dict(line.split("==") for line in packaging.requirements())
    assert pins["numpy"] == np.__version__
    assert len({"tensorflow", "tensorflow-cpu"} & set(pins)) == 1


@pytest.mark.parametrize(
    ("takes", "columns"),
    [(["images"], ["images", "latents"]), (["images", "labels"], ["images", "latents", "labels"])],
)
def test_signature_says_what_goes_in_and_out(takes, columns):
    signature = packaging.signature({"image_shape": [8, 8, 1], "takes": takes})
    assert signature.inputs.input_names() == columns
    assert not signature.inputs.required_input_names()
    names = ["verb", "num_images", "seed", "source", "num_steps", "format"]
    assert [spec.name for spec in signature.params.params] == names
    assert signature.outputs.inputs[0].shape == (-1, 8, 8, 1)
