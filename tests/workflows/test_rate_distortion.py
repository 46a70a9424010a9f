"""The rate-distortion curve: a training per weight, a table, a figure, runs under one parent; nothing twice."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tracking_workspace as lab
from click.testing import CliRunner
from fixtures_models import contents, tiny_entry, tiny_params, write_dataset
from PIL import Image

from genlab import cli
from genlab.imaging.arrays import read_split, to_float
from genlab.models import vae
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.workflows import rate_distortion


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lab.enter(monkeypatch, tmp_path)
    return write_dataset(tmp_path / "data")


def params_of(kind: str = "vae", **changes: object) -> Params:
    return tiny_params({kind: tiny_entry(kind, network="dense", **changes)})


def run(data: Path, weights: list[float], **changes: object) -> list[rate_distortion.Point]:
    params = params_of(**changes)
    return rate_distortion.run(params, "vae", weights, None, data, data / "none", Path("out"))


def test_curve_is_measured_on_the_test_images(data: Path) -> None:
    points = run(data, [4.0, 0.0])
    assert [point.kl_weight for point in points] == [0, 4]
    with Path("out/rate_distortion.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("rate", "distortion", "negative_elbo")
    assert list(rows[0]) == [
        "kl_weight",
        *(f"{name}{end}" for name in names for end in ("", "_low", "_high")),
    ]
    assert [float(row["rate"]) for row in rows] == [point.rate for point in points]
    images = to_float(np.asarray(read_split(data, "test").images))
    for point in points:
        assert point.negative_elbo == pytest.approx(point.rate + point.distortion)
        model = trained_model.load(f"out/models/{point.kl_weight:g}").model
        assert model.settings.kl_weight == point.kl_weight
        kls = np.asarray(vae.kl_per_dimension(*model.posterior(images)), np.float64)
        rates = kls.sum(axis=1)
        assert point.rate == pytest.approx(rates.mean(), rel=1e-4)
        margin = 1.96 * rates.std() / np.sqrt(len(rates))  # the central limit theorem's
        assert point.rate_low == pytest.approx(rates.mean() - margin, abs=0.35 * margin)
        assert point.rate_high == pytest.approx(rates.mean() + margin, abs=0.35 * margin)
        for low, value, high in np.reshape(point[1:], (3, 3))[:, [1, 0, 2]]:
            assert low < value < high
    protocol = json.loads(Path("out/rate_distortion.json").read_text())
    assert (protocol["split"], protocol["num_real"], protocol["num_posterior_draws"]) == (
        "test",
        len(images),
        1,
    )
    assert protocol["binarisation"] == "none"
    assert (protocol["model"], protocol["steps"]) == ("vae", params_of().model("vae")["steps"])
    assert protocol["intervals"] == f"95 %, bootstrap over {len(images)} images"
    with Image.open("out/rate_distortion.png") as figure:
        assert figure.size == (750, 600)


def test_heavier_kl_gives_less_rate_and_more_distortion(data: Path) -> None:
    heavy = {"steps": 300, "learning_rate": 0.01, "widths": [16, 16]}
    points = run(data, [0.01, 1.0, 30.0], **heavy)
    rates, distortions = [point.rate for point in points], [point.distortion for point in points]
    assert rates == sorted(rates, reverse=True)
    assert distortions[0] < distortions[2]
    assert rates[2] < 0.5


def test_runs_are_under_one_parent_and_none_is_made_twice(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = run(data, [0.5, 2.0])
    parent, *children = lab.runs()
    assert parent.data.tags["genlab.run"] == "study"
    assert [child.data.tags["mlflow.parentRunId"] for child in children] == [parent.info.run_id] * 2
    assert [child.data.params["kl_weight"] for child in children] == ["0.5", "2.0"]
    assert [value for _, value in lab.points(parent, "test/rate")] == [
        point.rate for point in points
    ]
    assert lab.artifacts(parent) == [f"rate_distortion.{end}" for end in ("csv", "json", "png")]
    before = contents(Path("out/models")) | {"table": Path("out/rate_distortion.csv").read_bytes()}
    figure = Path("out/rate_distortion.png").read_bytes()
    shutil.rmtree("out")
    capsys.readouterr()
    assert run(data, [0.5, 2.0]) == points
    assert capsys.readouterr().out.count("this very training is finished") == 2
    assert (
        contents(Path("out/models")) | {"table": Path("out/rate_distortion.csv").read_bytes()}
        == before
    )
    assert Path("out/rate_distortion.png").read_bytes() == figure
    assert len(lab.runs()) == 4, "the second study has no training of its own"


def test_steps_can_be_others(data: Path) -> None:
    rate_distortion.run(params_of(), "vae", [1.0], 5, data, data / "none", Path("out"))
    assert trained_model.load("out/models/1").model.settings.steps == 5


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        (
            "gan",
            [1.0],
            r"^the model must have a kl_weight. Received: gan \(kind gan\). See params.yaml: models.$",
        ),
        (
            "vae",
            [1.0, -1.0],
            r"^kl_weight must be at least 0. Received: kl_weight=-1.0. See params.yaml: models.vae",
        ),
        ("vae", [1.0, float("inf")], r"^kl_weight must be a finite number. "),
    ],
)
def test_what_has_no_curve_is_refused_before_anything_is_trained(
    data: Path, kind: str, weights: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        rate_distortion.run(params_of(kind), kind, weights, None, data, data / "none", Path("out"))
    assert not Path("out").exists()
    assert lab.runs() == []


@pytest.mark.parametrize("text", ["1,x", "", "1;2"])
def test_weights_that_are_no_numbers_are_refused_in_one_line(text: str) -> None:
    result = CliRunner().invoke(cli.main, ["rate-distortion", "vae", "--kl-weights", text])
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: --kl-weights must be numbers with commas. Received: {text!r}. See --kl-weights.\n"
    )
