"""Early stopping and the best validation: which weights are kept, and when a training ends."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import Recorder, contents, tiny_entry, tiny_job, tiny_params, tiny_settings

from genlab import training
from genlab.features import classifier, judges
from genlab.imaging import arrays
from genlab.numerics import gaussians
from genlab.settings import seeds
from genlab.settings.judges import FeatureRecipe
from genlab.trained import model as trained_model
from genlab.training import best
from genlab.training.observer import Observer

MONITORED = {"network": "dense", "monitor": "loss", "learning_rate_schedule": "constant"}
EVERY_STEP = {"validate_every_steps": 1, "log_every_steps": 1}

pytestmark = pytest.mark.usefixtures("state")


def rows_of(*values: float | None) -> list[dict[str, float]]:
    """Returns a row per value, numbered from 1; None is a row without validation."""
    return [
        {"step": step} | ({} if value is None else {"validation/loss": value})
        for step, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("patience", "values", "step", "over"),
    [
        (0, (), None, False),
        (0, (None, None), None, False),
        (0, (3, None, 2, 2, 5), 3, False),
        (2, (3, 2, 2), 2, False),
        (2, (3, 2, 2, 4), 2, True),
        (2, (3, 2, None, 4, None), 2, False),
        (2, (3, 2, 4, 1, 2), 4, False),
        (1, (1, 2), 1, True),
    ],
)
def test_first_of_the_lowest_is_the_best_and_patience_counts_validations_since(
    patience: int, values: tuple[float | None, ...], step: int | None, over: bool
) -> None:
    settings = tiny_settings("vae", monitor="loss", patience=patience)
    row = best.row(rows_of(*values), settings)
    assert (row["step"] if row else None) == step
    assert best.is_past(rows_of(*values), settings) is over


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Makes the validation loss after each step what is listed."""
    script = iter(values)
    monkeypatch.setattr(Observer, "_validate", lambda self: {"validation/loss": next(script)})


def kept(job: training.Job) -> dict[str, Any]:
    return json.loads((job.folder / "result" / "settings.json").read_text())["kept"]


def test_best_weights_are_those_of_the_best_step(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of an equal training that ended there."""
    weights = []
    for values, changes in (([5, 4, 6, 4, 7], {"keep": "best"}), ([5, 4], {})):
        scripted(monkeypatch, values)
        job = tiny_job(data, "autoencoder", EVERY_STEP, **MONITORED, **changes, steps=len(values))
        training.fit(job, Recorder())
        weights.append(trained_model.load(job.folder / "result").model.get_weights())
        if changes:
            what = {"rule": "best", "step": 2, "monitor": "loss", "value": 4, "stopped_at": 5}
            assert kept(job) == what
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_stops_when_it_gets_no_better(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [5, 4, 6, 4.5, 7, 1])
    job, recorder = tiny_job(data, "vae", EVERY_STEP, **MONITORED, patience=2), Recorder()
    training.fit(job, recorder)
    assert sorted(recorder.metrics) == [1, 2, 3, 4]
    what = {"rule": "last", "step": 4, "monitor": "loss", "value": 4.5, "stopped_at": 4}
    assert kept(job) == what


@pytest.mark.parametrize("stop_at", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_interrupted_training_keeps_the_best(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    values = [5, 4, 6, 4, 7, 8]
    often = EVERY_STEP | {"checkpoint_every_steps": 1}
    job = tiny_job(data, "autoencoder", often, **MONITORED, keep="best", patience=3)
    scripted(monkeypatch, values)
    training.fit(job, Recorder())
    expected = contents(job.folder / "result")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "again"))
    scripted(monkeypatch, values)
    with pytest.raises(KeyboardInterrupt):
        training.fit(job, Recorder(stop_at=stop_at))
    scripted(monkeypatch, values[stop_at - 1 :])
    assert training.fit(job, Recorder()).first_step == stop_at - 1
    assert contents(job.folder / "result") == expected


@pytest.mark.slow
def test_gan_is_monitored_by_a_frechet_distance(data: Path, tmp_path: Path) -> None:
    """It is the judges' mean, of the model as it then is; other judges, another training."""
    folders = [tmp_path / name for name in ("features", "others")]
    settings = FeatureRecipe(feature_dim=3, filters=(2,), learning_rate=1e-3, batch_size=8, steps=2)
    train, test = (arrays.read_split(data, split) for split in ("train", "test"))
    for seed, folder in enumerate(folders):
        for number, name in enumerate(("one", "other")):
            (folder / name).mkdir(parents=True)
            classifier.train(settings, train, test, 2, 10 * seed + number, folder / name)
    params = tiny_params({"gan": tiny_entry("gan", monitor="frechet_distance")})
    job, other = (training.prepare(params, "gan", data, folder) for folder in folders)
    assert job.train_key != other.train_key
    recorder = Recorder()
    training.fit(job, recorder)
    name = "validation/frechet_distance"
    distances = {step: row[name] for step, row in recorder.metrics.items() if name in row}
    assert sorted(distances) == [6, 12]
    seed = seeds.derive(job.seed, "validation")
    samples = arrays.to_uint8(trained_model.load(job.folder / "result").sample(8, seed))
    images, labels = arrays.read_split(data, "validation")
    real = images[arrays.choose_rows(labels, 8)]
    expected = []
    for extractor in judges.load(folders[0]).values():
        features = [extractor.extract(images).features for images in (real, samples)]
        distance = gaussians.frechet_distance_of_features(*features)
        expected.append(distance / features[0].var(axis=0).mean())
    assert expected[0] != pytest.approx(expected[1], rel=0.01)
    assert distances[12] == pytest.approx(np.mean(expected), rel=1e-3)
