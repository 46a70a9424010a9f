"""Early stopping and the best validation: which weights are kept, and when a training ends."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixtures_models import (
    Recorder,
    contents,
    tiny_entry,
    tiny_job,
    tiny_params,
    tiny_settings,
    write_dataset,
)

from genlab import training
from genlab.runtime.errors import InputError
from genlab.settings.params import FeatureRecipe
from genlab.training import best

MONITORED = {"network": "dense", "monitor": "loss"}
EVERY_STEP = {"validate_every_steps": 1, "log_every_steps": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def rows_of(*values: float | None) -> list[dict[str, float]]:
    """Returns a row per value, numbered from 1; None is a row without validation."""
    name = "validation/loss"
    return [
        {"step": step} | ({} if value is None else {name: value})
        for step, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("values", "step"),
    [((), None), ((None, None), None), ((3, None, 2, 2, 5), 3), ((1, 2), 1), ((None, 7.5), 2)],
)
def test_best_row_is_the_first_of_the_lowest(
    values: tuple[float | None, ...], step: int | None
) -> None:
    row = best.row(rows_of(*values), tiny_settings("vae", monitor="loss"))
    assert (row["step"] if row else None) == step


@pytest.mark.parametrize(
    ("patience", "values", "over"),
    [
        (0, (1, 2, 3, 4), False),
        (2, (), False),
        (2, (3, 2, 2), False),
        (2, (3, 2, 2, 4), True),
        (2, (3, 2, None, 4, None), False),
        (2, (3, 2, 4, 1, 2), False),
        (1, (1, 2), True),
    ],
)
def test_patience_counts_validations_since_the_best(
    patience: int, values: tuple[float | None, ...], over: bool
) -> None:
    assert (
        best.is_past(rows_of(*values), tiny_settings("vae", monitor="loss", patience=patience))
        is over
    )


@pytest.mark.parametrize("changes", [{"keep": "best"}, {"patience": 1}])
def test_nothing_to_go_by_is_refused(data: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(
        InputError,
        match="monitor must name a validation metric with keep: best or patience above 0",
    ):
        tiny_job(data, "vae", monitor=None, **changes)


@pytest.mark.parametrize(
    ("kind", "monitor", "known"),
    [
        ("autoencoder", "negative_elbo", "loss, reconstruction_loss, sparsity"),
        ("gan", "loss", "frechet_distance"),
    ],
)
def test_metric_that_the_model_cannot_give_is_refused(
    data: Path, kind: str, monitor: str, known: str
) -> None:
    with pytest.raises(InputError) as caught:
        training.fit(tiny_job(data, kind, monitor=monitor), Recorder())
    assert str(caught.value) == (
        f"monitor must be one of {known} for a model of kind {kind}. Received: {monitor!r}. "
        f"See params.yaml: models.{kind}.monitor."
    )


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Makes the validation loss after each step what is listed."""
    from genlab.training.observer import Observer

    script = iter(values)
    monkeypatch.setattr(Observer, "_validate", lambda self: {"validation/loss": next(script)})


def weights(folder: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def test_best_weights_are_those_of_the_best_step(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of an equal training that ended there."""
    scripted(monkeypatch, [5, 4, 6, 4, 7])
    steady = {"learning_rate_schedule": "constant"}
    kept = tiny_job(data, "autoencoder", EVERY_STEP, **MONITORED, **steady, keep="best", steps=5)
    training.fit(kept, Recorder())
    scripted(monkeypatch, [5, 4])
    short = tiny_job(data, "autoencoder", EVERY_STEP, **MONITORED, **steady, steps=2)
    training.fit(short, Recorder())
    ones, others = weights(kept.folder / "result"), weights(short.folder / "result")
    assert ones.keys() == others.keys()
    assert all(np.array_equal(ones[name], others[name]) for name in ones)
    said = json.loads((kept.folder / "result" / "settings.json").read_text())["kept"]
    assert said == {"rule": "best", "step": 2, "monitor": "loss", "value": 4, "stopped_at": 5}


def test_training_stops_when_it_gets_no_better(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [5, 4, 6, 4.5, 7, 1])
    job, recorder = tiny_job(data, "vae", EVERY_STEP, **MONITORED, patience=2), Recorder()
    training.fit(job, recorder)
    assert sorted(recorder.metrics) == [1, 2, 3, 4]
    said = json.loads((job.folder / "result" / "settings.json").read_text())["kept"]
    assert said == {"rule": "last", "step": 4, "monitor": "loss", "value": 4.5, "stopped_at": 4}


@pytest.mark.parametrize("stop_at", [3, 5])
def test_interrupted_training_keeps_the_best(
    data: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    values = [5, 4, 6, 4, 7, 8]
    often = EVERY_STEP | {"checkpoint_every_steps": 1}
    job = tiny_job(data, "autoencoder", often, **MONITORED, keep="best", patience=3)
    scripted(monkeypatch, values)
    training.fit(job, Recorder())
    expected = contents(job.folder / "result")
    monkeypatch.setenv("DVC_ROOT", str(Path(str(job.folder)).parents[2] / "again"))
    scripted(monkeypatch, values)
    with pytest.raises(KeyboardInterrupt):
        training.fit(job, Recorder(stop_at=stop_at))
    scripted(monkeypatch, values[stop_at - 1 :])
    assert training.fit(job, Recorder()).first_step == stop_at - 1
    assert contents(job.folder / "result") == expected


def test_gan_is_monitored_by_a_frechet_distance(data: Path, tmp_path: Path) -> None:
    """It is the distance of samples of the model as it then is; another extractor is another training."""
    from genlab.features import classifier
    from genlab.imaging import arrays
    from genlab.numerics import gaussians
    from genlab.settings import seeds
    from genlab.trained import model as trained_model

    folders = [tmp_path / name for name in ("features", "others")]
    settings = FeatureRecipe(feature_dim=3, filters=(2,), learning_rate=1e-3, batch_size=8, steps=2)
    for seed, folder in enumerate(folders):
        folder.mkdir()
        train, test = (arrays.read_split(data, split) for split in ("train", "test"))
        classifier.train(settings, train, test, 2, seed, folder)
    params = tiny_params({"gan": tiny_entry("gan", monitor="frechet_distance")})
    job, other = (training.prepare(params, "gan", data, folder) for folder in folders)
    assert job.train_key != other.train_key
    recorder = Recorder()
    training.fit(job, recorder)
    seen = {
        step: row["validation/frechet_distance"]
        for step, row in recorder.metrics.items()
        if len(row) > 5
    }
    assert sorted(seen) == [6, 12]
    extractor = classifier.load(folders[0])
    samples = trained_model.load(job.folder / "result").sample(
        8, seeds.derive(job.seed, "validation")
    )
    real = arrays.read_split(data, "validation").images[:8]
    features = [extractor.extract(each).features for each in (real, arrays.to_uint8(samples))]
    assert seen[12] == pytest.approx(gaussians.frechet_distance_of_features(*features), rel=1e-3)


def test_frechet_distance_without_extractor_is_refused(data: Path) -> None:
    with pytest.raises(
        InputError, match=r"^a feature extractor must be given to monitor a Fréchet distance."
    ):
        tiny_job(data, "gan", monitor="frechet_distance")
