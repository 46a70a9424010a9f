"""A whole training: what it writes, what it tells, and how it fails."""

import json
import shutil
from collections.abc import Callable
from csv import DictReader
from pathlib import Path

import keras
import numpy as np
import pytest
from fixtures_models import (
    Finished,
    Recorder,
    contents,
    fixture_kinds,
    kinds_by_cost,
    tiny_entry,
    tiny_job,
    tiny_params,
    tiny_spec,
)
from PIL import Image

from genlab import training
from genlab.contract import capabilities
from genlab.imaging.arrays import choose_rows, grid, read_split, to_float, to_uint8
from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.trained import model as trained_model
from genlab.trained.generators import generators
from genlab.training import feed, observer
from genlab.training.engine import Engine
from genlab.training.observer import geometric_steps

KINDS = kinds_by_cost()
STEPS = 12

pytestmark = pytest.mark.usefixtures("chapters", "state")


def given_to(model: trained_model.TrainedModel, data: Path, number: int) -> dict[str, np.ndarray]:
    rows = choose_rows(read_split(data, "validation").labels, number)
    return {name: np.load(data / f"validation_{name}.npy")[rows] for name in model.given}


# What is written


@pytest.mark.parametrize("kind", KINDS)
def test_result_is_a_model_and_what_was_recorded(finished: Finished, data: Path, kind: str) -> None:
    """It logs every 3 steps, validates every 6, draws at 0, 1, 3 and 12."""
    result, recorder = finished(kind)
    settings = json.loads((result / "settings.json").read_text())
    assert settings["settings"] == json.loads(json.dumps(tiny_entry(kind)))
    facts = {"name": kind, "kind": kind, "image_shape": [8, 8, 1], "dataset": "halves"}
    assert settings.items() >= facts.items()
    model = trained_model.load(result)
    assert model.spec == tiny_spec()
    assert model.takes == ("images", *model.given)
    for source in model.sources():
        given = {} if source == "fitted" else given_to(model, data, 3)
        assert model.sample(3, 0, source, given).shape == (3, 8, 8, 1)
    assert model.can("encode") == ("fitted" in model.sources())
    assert {path.name for path in result.parent.iterdir()} - {"lock"} == {"result", "summary.json"}
    with (result / "history.csv").open() as file:
        cells = [{name: value for name, value in row.items() if value} for row in DictReader(file)]
    rows = {int(row.pop("step")): {name: float(row[name]) for name in row} for row in cells}
    assert rows == recorder.metrics
    assert sorted(rows) == [1, 3, 6, 9, 12]
    losses = {f"train/{name}" for name in model.model.loss_names}
    assert all(set(row) >= losses for row in rows.values())
    validated = [step for step, row in rows.items() if "validation/loss" in row]
    assert validated == ([6, 12] if isinstance(model.model, capabilities.Validated) else [])
    pictures = {path.stem.split("_")[0] for path in (result / "progress").iterdir()}
    assert set(recorder.pictures) == {(key, step) for key in pictures for step in (0, 1, 3, 12)}


def test_vae_logs_its_latents(finished: Finished) -> None:
    result, recorder = finished("vae")
    last = recorder.metrics[STEPS]
    kls = [last[f"validation/kl_of_dimension_{index}"] for index in range(3)]
    assert sum(kls) == pytest.approx(last["validation/kl"], rel=1e-5)
    assert last["validation/active_units"] in (0, 1, 2, 3)
    with np.load(result / "histograms.npz") as histograms:
        assert histograms["step"].tolist() == [1, 3, 12]
        assert histograms["edges"].shape == (81,)
        for name in ("mean", "log_variance"):  # of 8 validation images, 3 dimensions
            assert histograms[name].shape == (3, 80)
            assert (histograms[name].sum(axis=1) == 8 * 3).all()


def assert_is_picture(result: Path, name: str, images: np.ndarray) -> None:
    with Image.open(result / "progress" / f"{name}.png") as opened:
        difference = np.asarray(opened).astype(int) - grid(to_uint8(images))[..., 0]
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("kind", ["vae", *fixture_kinds()])
def test_pictures_are_of_the_model_at_each_step(finished: Finished, data: Path, kind: str) -> None:
    """They are made of the same noise at every step, and of the same validation rows."""
    (result, _), job = finished(kind), tiny_job(data, kind)
    keras.utils.set_random_seed(job.seed)
    untrained = job.chapter.build(job.settings, job.spec)
    (at_first,) = generators(untrained, job.spec).values()
    model = trained_model.load(result)
    seed, given = seeds.derive(job.seed, "validation"), given_to(model, data, 4)
    assert_is_picture(result, "samples_000000", at_first.sample(4, seed, given))
    assert_is_picture(result, "samples_000012", model.sample(4, seed, given=given))
    if model.can("reconstruct"):
        images, labels = read_split(data, "validation")
        rebuilt = model.reconstruct(to_float(images[choose_rows(labels, 4)]))
        assert_is_picture(result, "reconstructions_000012", rebuilt)


# Equal runs


@pytest.mark.parametrize("kind", KINDS)
def test_equal_runs_give_equal_bytes_also_streamed(
    finished: Finished, data: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(feed, "BLOCK_BYTES", 5 * 4 * 64)
    job = tiny_job(data, kind, {"resident_megabytes": 0.0})
    summary = training.fit(job, Recorder())
    assert contents(job.folder / "result") == contents(finished(kind)[0])
    assert summary.first_step == 0
    assert summary.images_per_second > 0


def test_another_seed_gives_another_model(finished: Finished, data: Path) -> None:
    params = tiny_params({"vae": tiny_entry("vae")}).model_copy(update={"seed": 1})
    job = training.prepare(params, "vae", data)
    training.fit(job, Recorder())
    folders = job.folder / "result", finished("vae")[0]
    assert len({(folder / "model.weights.h5").read_bytes() for folder in folders}) == 2


def test_finished_training_tells_another_recorder(finished: Finished, data: Path) -> None:
    result, first = finished("vae")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(result.parents[3]))
        again = Recorder()
        training.fit(tiny_job(data, "vae"), again)
    assert first.metrics == again.metrics
    assert sorted(first.pictures) == sorted(again.pictures)
    assert first.pictures


@pytest.mark.parametrize(
    ("steps", "times", "expected"),
    [(1000, 4, [1, 10, 100, 1000]), (1, 8, [1]), (3, 8, [1, 2, 3]), (10, 2, [1, 10])],
)
def test_geometric_steps(steps: int, times: int, expected: list[int]) -> None:
    assert geometric_steps(steps, times) == expected


def test_calls_end_where_a_phase_does(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    run: Callable[..., tuple[dict[str, float], int]] = Engine.run

    def remember(
        engine: Engine, first_step: int, num_steps: int, sums: dict[str, float]
    ) -> tuple[dict[str, float], int]:
        calls.append((first_step, first_step + num_steps))
        return run(engine, first_step, num_steps, sums)

    monkeypatch.setattr(Engine, "run", remember)
    job = tiny_job(data, "growing", {"log_every_steps": 100, "validate_every_steps": 100})
    summary = training.fit(job, Recorder())
    assert sorted(stop for _, stop in calls if stop > 3)[-2:] == [7, 12]
    assert summary.images_per_second * summary.train_seconds == pytest.approx(7 * 4 + 5 * 6)


def test_validation_is_of_all_classes_where_images_are_sorted(data: Path, tmp_path: Path) -> None:
    """As in a folder; 8 of 12 images are validated."""
    ordered = shutil.copytree(data, tmp_path / "ordered")
    order = np.argsort(np.load(data / "validation_labels.npy"), kind="stable")
    for field in ("images", "labels"):
        np.save(
            ordered / f"validation_{field}.npy", np.load(data / f"validation_{field}.npy")[order]
        )
    job = tiny_job(ordered, "conditional")
    fields = observer._validation_fields(job, job.chapter.build(job.settings, job.spec))
    assert np.bincount(fields["labels"]).tolist() == [4, 4]


def test_unaligned_inputs_may_be_of_another_number(data: Path, tmp_path: Path) -> None:
    unpaired = shutil.copytree(data, tmp_path / "unpaired")
    description = json.loads((data / "dataset.json").read_text())
    description["fields"]["inputs"]["aligned"] = False
    (unpaired / "dataset.json").write_text(json.dumps(description))
    for split, number in (("train", 31), ("validation", 3)):
        np.save(unpaired / f"{split}_inputs.npy", np.load(data / f"{split}_inputs.npy")[:number])
    recorder = Recorder()
    training.fit(tiny_job(unpaired, "translator"), recorder)
    assert "validation/loss" in recorder.metrics[12]
    assert ("samples", 12) in recorder.pictures


# Precision, failures


def test_bfloat16_trains_and_is_loaded_as_it_was_trained(data: Path) -> None:
    job = tiny_job(data, "vae", {"precision": "mixed_bfloat16"}, network="convolutional")
    recorder = Recorder()
    training.fit(job, recorder)
    assert all(np.isfinite(list(row.values())).all() for row in recorder.metrics.values())
    keras.config.set_dtype_policy("float32")
    model = trained_model.load(job.folder / "result")
    layer = model.model.encoder.layers[1]
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == "float32"
    assert model.sample(2, 0).dtype == np.float32


@pytest.mark.parametrize(("steps", "step"), [(12, 2), (1, 1)])
def test_non_finite_loss_ends_the_training(data: Path, steps: int, step: int) -> None:
    """The first update destroys the weights: step 2 shows it, or the validation at the end."""
    absurd = {"learning_rate": 1e30, "learning_rate_schedule": "constant"}
    job = tiny_job(data, "vae", **absurd, steps=steps)
    expected = f"^vae: the losses must be finite.* at step {step}\\. Lower the learning rate"
    with pytest.raises(FloatingPointError, match=expected):
        training.fit(job, Recorder())
    assert not (job.folder / "result").exists()


def test_impossible_loss_ends_the_training(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tiny_job(data, "vae", steps=1)
    monkeypatch.setattr(job.chapter, "kl_per_dimension", lambda mean, log_variance: 0 * mean - 1)
    expected = r"^vae: kl must be at least -0.001 nats .* Received: -3.0. Steps up to 1.$"
    with pytest.raises(FloatingPointError, match=expected):
        training.fit(job, Recorder())


@pytest.mark.parametrize(
    ("kind", "monitor", "known"),
    [
        ("autoencoder", "negative_elbo", "loss, reconstruction_loss, sparsity"),
        ("vae", "active_unit", "loss, .*, kl_of_dimension_0, .*, active_units, frechet_distance"),
        ("gan", "loss", "frechet_distance"),
        ("translator", "los", "loss, frechet_distance"),
    ],
)
def test_unknown_monitor_is_refused_before_the_first_step(
    data: Path, kind: str, monitor: str, known: str
) -> None:
    recorder = Recorder()
    with pytest.raises(InputError, match=f"^monitor must be one of {known}\\. ") as caught:
        training.fit(tiny_job(data, kind, monitor=monitor), recorder)
    assert caught.value.received == repr(monitor)
    assert caught.value.where == f"See params.yaml: models.{kind}.monitor"
    assert not recorder.pictures


@pytest.mark.parametrize("monitor", ["sparsity", "kl_of_dimension_1", "active_units"])
def test_every_validated_number_can_be_monitored(data: Path, monitor: str) -> None:
    kind = "autoencoder" if monitor == "sparsity" else "vae"
    job = tiny_job(data, kind, {"validate_every_steps": 1}, monitor=monitor, keep="best", steps=3)
    recorder = Recorder()
    training.fit(job, recorder)
    kept = json.loads((job.folder / "result" / "settings.json").read_text())["kept"]
    values = [row[f"validation/{monitor}"] for _, row in sorted(recorder.metrics.items())]
    assert (kept["monitor"], kept["value"]) == (monitor, min(values))
