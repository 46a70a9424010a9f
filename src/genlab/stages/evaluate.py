"""Scores one trained model on the test split; its numbers, their protocols, and the pictures that go with them."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from genlab import devices, evaluation, feature_extractor, inception, progress, seeds, tracking, trained_model, verdict
from genlab.evaluation import Scores
from genlab.files import replacing
from genlab.images import grid, write_npz, write_png
from genlab.params import Params
from genlab.pictures import read_png
from genlab.trained_model import TrainedModel

SAME = ("num_real", "num_generated", "features", "quantisation", "resize", "metric")
SHOWN_PIXELS = 400
"""Width of the picture in a run's description, at least half of it."""
KINDS = ("floor", "floor_halves")
"""Real images against real ones: train against test, and half of test against the other half."""


def run(params: Params, model: Path, images: Path, features: Path, floor: Path, scores: Path, pictures: Path) -> None:
    """Scores the trained model in the folder `model`.

    Args:
        params: All parameters.
        model: The trained model's folder.
        images: The fetched data set.
        features: The feature extractor's folder.
        floor: The folder with the real-against-real scores.
        scores: A folder for `metrics.json` (bare numbers) and `scores.json` (with protocols).
        pictures: A folder for `pictures.npz`, other arrays (`latents.npz`, `class_histogram.npz`) and grids as PNG.
    """
    devices.configure("float32", deterministic=True)
    trained, extractor = trained_model.load(model), feature_extractor.load(features)
    seed = seeds.derive(params.seed, "evaluate")
    progress.note(f"{trained.settings['name']}: scoring on the test images")
    published = inception.from_params(params.evaluation.inception)
    result = evaluation.evaluate(trained, extractor, images, params, seed, published)
    _add_floor(result, json.loads((floor / "scores.json").read_text())["metrics"])
    _write_scores(scores, result, trained)
    _write_pictures(pictures, result)
    _track(trained, result, scores, pictures)


def _add_floor(result: Scores, floor: dict[str, Any]) -> None:
    """Puts beside each number of samples the same number of real images."""
    for name, metric in result.metrics.items():
        split, source, measure = name.split("/")
        source, _, space = source.partition("_")
        kinds = {kind: f"{split}/{'_'.join(filter(None, (kind, space)))}/{measure}" for kind in KINDS}
        if source in evaluation.samples.SOURCES and all(each in floor for each in kinds.values()):
            found = {kind: floor[each] for kind, each in kinds.items()}
            if any(found["floor"]["protocol"][key] != metric["protocol"][key] for key in SAME):
                continue  # fewer train images than samples, or other features: not to be compared
            metric["floor"] = {kind: {key: each[key] for key in ("value", "interval")} for kind, each in found.items()}


def _write_scores(folder: Path, result: Scores, trained: TrainedModel) -> None:
    facts = {
        "kind": trained.settings["kind"],
        "train_key": trained.settings["train_key"],
        "num_parameters": sum(int(np.prod(weight.shape)) for weight in trained.model.trainable_weights),
        "protocol": _protocol(result),
        "metrics": result.metrics,
        "skipped": result.skipped,
    }
    with replacing(folder) as building:
        building.mkdir()
        (building / "metrics.json").write_text(json.dumps(result.values(), indent=2, allow_nan=False) + "\n")
        (building / "scores.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


def _protocol(result: Scores) -> str:
    """Returns a hash of all that the scores depend on beside the model."""
    protocols: dict[str, Any] = {name: metric["protocol"] for name, metric in result.metrics.items()}
    return hashlib.sha256(json.dumps(protocols, sort_keys=True).encode()).hexdigest()[:32]


def _write_pictures(folder: Path, result: Scores) -> None:
    with replacing(folder) as building:
        building.mkdir()
        write_npz(building / "pictures.npz", result.pictures)
        for name, pictures in result.pictures.items():
            write_png(building / f"{name}.png", grid(pictures))
        for name, arrays in result.arrays.items():
            write_npz(building / f"{name}.npz", arrays)


def _track(trained: TrainedModel, result: Scores, scores: Path, pictures: Path) -> None:
    settings = trained.settings
    with tracking.scoring_run(
        train_key=settings["train_key"], name=settings["name"], kind=settings["kind"], protocol=_protocol(result)
    ) as run:
        values = json.loads((scores / "metrics.json").read_text())
        run.log_metrics(values, step=0)  # no step: the interface draws one bar per model
        run.log_artifact(scores, "scores")
        for name in result.pictures:
            run.log_artifact(pictures / f"{name}.png", "evaluation")
        with tempfile.TemporaryDirectory() as folder:
            run.log_artifact(_enlarged(pictures, Path(folder)), "description")
        run.describe(_description(settings, result))


def _enlarged(pictures: Path, folder: Path) -> Path:
    """Writes samples, else reconstructions, large enough to be looked at; returns the file's path."""
    known = (f"{name}.png" for name in ("prior_samples", "fitted_samples", "reconstructions"))
    image = read_png(next(pictures / name for name in known if (pictures / name).is_file()))
    factor = max(1, SHOWN_PIXELS // image.shape[1])
    write_png(folder / "pictures.png", image.repeat(factor, axis=0).repeat(factor, axis=1))
    return folder / "pictures.png"


def _description(settings: dict[str, Any], result: Scores) -> str:
    """Returns the run's description: what the scores say in a sentence, and the picture."""
    said = f"{settings['name']} (kind {settings['kind']}) on {settings['dataset']}. {verdict.sentence(result.metrics)}"
    return f"{said}\n\n![samples]({{artifacts}}description/pictures.png)"
