"""The rate-distortion curve: a training per weight, a table, one parent run; nothing twice."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tracking_workspace as lab
from click.testing import CliRunner
from fixtures_models import contents, tiny_entry, tiny_params, write_dataset

from genlab import cli
from genlab.imaging.arrays import read_split, to_float
from genlab.models import vae
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.workflows import rate_distortion
from genlab.workflows.rate_distortion import Folders, Point

STEPS, OUT = 5, Path("out")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data set of a workspace that these tests share."""
    with pytest.MonkeyPatch.context() as patch:
        yield write_dataset(lab.enter(patch, tmp_path_factory.mktemp("curve")) / "data")


def run(data: Path, weights: list[float], kind: str = "vae", **changes: object) -> list[Point]:
    params = tiny_params({kind: tiny_entry(kind, network="dense", **changes)})
    steps = None if "steps" in changes else STEPS
    return rate_distortion.run(params, kind, weights, steps, Folders(data, data / "none", OUT))


@pytest.mark.parametrize(
    ("kind", "weights", "expected", "received"),
    [
        ("gan", [1.0], "the model must have a kl_weight", "gan (kind gan)"),
        ("vae", [1.0, -1.0], "kl_weight must be at least 0", "kl_weight=-1.0"),
        ("vae", [1.0, float("inf")], "kl_weight must be a finite number", "inf"),
    ],
)
def test_what_has_no_curve_is_refused_before_anything_is_trained(
    data: Path, kind: str, weights: list[float], expected: str, received: str
) -> None:
    with pytest.raises(InputError) as error:
        run(data, weights, kind)
    assert error.value.expected.startswith(expected)
    assert received in error.value.received
    assert not OUT.exists()
    assert lab.runs() == []


@pytest.mark.slow
def test_curve_is_measured_on_the_test_images_and_no_training_is_made_twice(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = run(data, [4.0, 0.0])
    assert [point.kl_weight for point in points] == [0, 4]
    with (OUT / "rate_distortion.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [list(map(float, row.values())) for row in rows] == [list(point) for point in points]
    images = to_float(np.asarray(read_split(data, "test").images))
    for point in points:
        assert_measured(point, images)
    protocol = json.loads((OUT / "rate_distortion.json").read_text())
    facts = {"model": "vae", "steps": STEPS, "split": "test", "num_real": len(images)}
    facts |= {"num_posterior_draws": 1, "binarisation": "none"}
    assert facts.items() <= protocol.items()

    parent, *children = lab.runs()
    assert parent.data.tags["genlab.run"] == "study"
    assert [child.data.tags["mlflow.parentRunId"] for child in children] == [parent.info.run_id] * 2
    assert [child.data.params["kl_weight"] for child in children] == ["0.0", "4.0"]
    logged = [value for _, value in lab.points(parent, "test/rate")]
    assert logged == [point.rate for point in points]
    assert lab.artifacts(parent) == ["rate_distortion.csv", "rate_distortion.json"]

    before = contents(OUT / "models") | {"table": (OUT / "rate_distortion.csv").read_bytes()}
    shutil.rmtree(OUT)
    capsys.readouterr()
    assert run(data, [0.0, 4.0]) == points
    assert capsys.readouterr().out.count("this very training is finished") == 2
    after = contents(OUT / "models") | {"table": (OUT / "rate_distortion.csv").read_bytes()}
    assert after == before
    assert len(lab.runs()) == 4, "the second study has no training of its own"


def assert_measured(point: Point, images: np.ndarray) -> None:
    """Compares a point with the KL of its own model, and its interval with the normal one."""
    model = trained_model.load(OUT / "models" / f"{point.kl_weight:g}").model
    assert (model.settings.kl_weight, model.settings.steps) == (point.kl_weight, STEPS)
    rates = np.asarray(vae.kl_per_dimension(*model.posterior(images)), np.float64).sum(axis=1)
    assert point.rate == pytest.approx(rates.mean(), rel=1e-4)
    margin = 1.96 * rates.std() / np.sqrt(len(rates))
    assert point.rate_low == pytest.approx(rates.mean() - margin, abs=0.35 * margin)
    assert point.rate_high == pytest.approx(rates.mean() + margin, abs=0.35 * margin)
    assert point.negative_elbo == pytest.approx(point.rate + point.distortion)
    for value, low, high in np.reshape(point[1:], (3, 3)):
        assert low < value < high


@pytest.mark.slow
def test_heavier_kl_gives_less_rate_and_more_distortion(data: Path) -> None:
    light, heavy = run(data, [0.01, 30.0], steps=300, learning_rate=0.01, widths=[16, 16])
    assert heavy.rate < min(0.5, light.rate)
    assert light.distortion < heavy.distortion


@pytest.mark.parametrize("text", ["1,x", "", "1;2"])
def test_weights_that_are_no_numbers_are_refused_in_one_line(text: str) -> None:
    result = CliRunner().invoke(cli.main, ["rate-distortion", "vae", "--kl-weights", text])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"Received: {text!r}" in result.stderr
