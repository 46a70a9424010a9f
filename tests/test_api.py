"""`genlab` in Python: the cost of its import, a data set, a training, a trained model."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tracking_workspace as lab
from click.testing import CliRunner
from file_server import write_pictures
from fixtures_models import tiny_model, write_trained_model

import genlab
from genlab import cli
from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.tracking import registry

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(workplace: Path) -> Path:
    """An empty folder with the repository's parameters; trainings are as short as in `smoke`."""
    text = (ROOT / "params.yaml").read_text()
    (workplace / "params.yaml").write_text(text.replace("profile: default ", "profile: smoke ", 1))
    return workplace


def test_import_is_fast_and_imports_nothing() -> None:
    code = (
        "import sys, time; start = time.process_time(); import genlab;"
        "print(time.process_time() - start, *{'numpy', 'tensorflow', 'mlflow'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code]
    tries = [subprocess.check_output(command, env=environment).split() for _ in range(3)]
    assert all(len(words) == 1 for words in tries), tries
    assert min(float(words[0]) for words in tries) < 0.1


def test_public_names_are_found_and_no_others() -> None:
    assert {"load", "fetch", "train", "Pictures"} <= set(dir(genlab))
    stub = (ROOT / "src" / "genlab" / "__init__.pyi").read_text()
    assert all(f" as {name}\n" in stub for name in genlab.PUBLIC)
    with pytest.raises(AttributeError, match="module 'genlab' has no attribute 'laod'"):
        genlab.laod  # noqa: B018


def test_data_set_is_split_as_the_pipeline_splits_it(place: Path) -> None:
    data = genlab.fetch("digits")
    parts = (data.train, data.validation, data.test)
    assert [len(part.labels) for part in parts] == [1298, 139, 360]
    assert data.test.images.shape == (360, 8, 8, 1)
    assert data.test.images._repr_png_()
    assert data.class_names == [str(number) for number in range(10)]
    again = genlab.fetch()  # params.yaml: data.name
    assert again.folder == data.folder
    assert not (place / "data").exists()


def test_pictures_that_were_added_are_seen(place: Path) -> None:
    sizes = []
    for folder in ("own_images", "own_images/more", None):
        if folder:
            write_pictures(place / "data" / folder)
        data = genlab.fetch("image_folder")
        sizes.append(sum(len(part.labels) for part in (data.train, data.validation, data.test)))
    assert sizes == [40, 80, 80]


@pytest.mark.slow
def test_training_is_a_model_and_equal_ones_are_made_once(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = genlab.train("vae", "digits", latent_dim=2, steps=10)
    assert model.latent_dim == 2
    assert model.progress()[0] == [0, 1, 3, 10]
    assert (place / "mlflow.db").is_file()
    assert not (place / "models").exists()
    again = genlab.train("vae", genlab.fetch("digits"), steps=10, latent_dim=2)
    assert "this very training is finished" in capsys.readouterr().out
    expected = model.sample(3, seed=1)
    for other in (again, genlab.load(again.folder)):
        np.testing.assert_array_equal(other.sample(3, seed=1), expected)


def test_registered_model_is_loaded_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lab.enter(monkeypatch, tmp_path)
    folder = write_trained_model(root / "models" / "vae", tiny_model("vae"), "vae", (8, 8, 1))
    with lab.training() as run:
        run.log_model(folder)
    registry.crown("vae", run.run_id, "key", {}, "good")
    expected = genlab.load(folder).sample(3, seed=5)
    np.testing.assert_array_equal(genlab.load("models:/vae@champion").sample(3, seed=5), expected)
    words = "generate models:/vae@champion --num-images 3 --seed 5 --out three.npz"
    result = CliRunner().invoke(cli.main, words.split(), catch_exceptions=False)
    assert (result.exit_code, result.output) == (0, "3 images: three.npz\n")
    np.testing.assert_array_equal(np.load("three.npz")["images"], arrays.to_uint8(expected))


@pytest.mark.parametrize(
    ("call", "received"),
    [
        (partial(genlab.fetch, "digit"), "'digit'"),
        (partial(genlab.load, "models/vae"), "no settings.json"),
        (lambda: genlab.train("wrong", "digits"), "'wrong'"),
        (lambda: genlab.train("vae", "digits", latentdim=2), "'latentdim'"),
        (lambda: genlab.train("vae", "digits", latent_dim=0), "0"),
    ],
)
def test_mistake_is_an_input_error(place: Path, call: Callable[[], object], received: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert received in error.value.received
