"""Scores one trained model on the test split; its numbers, their protocols, and the pictures that go with them."""

import json
import tempfile
from pathlib import Path
from typing import Any

from genlab import evaluation, tracking
from genlab.evaluation import Scores, results
from genlab.features import classifier, inception
from genlab.imaging.arrays import write_png
from genlab.imaging.pictures import read_png
from genlab.measurement import comparison
from genlab.networks import devices
from genlab.runtime import progress
from genlab.settings import seeds
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel

SHOWN_PIXELS = 400
"""Width of the picture in a run's description, at least half of it."""


def run(
    params: Params,
    model: Path,
    images: Path,
    features: Path,
    floor: Path,
    scores: Path,
    pictures: Path,
) -> None:
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
    trained, extractor = trained_model.load(model), classifier.load(features)
    seed = seeds.derive(params.seed, "evaluate")
    progress.note(f"{trained.settings['name']}: scoring on the test images")
    published = inception.from_params(params.evaluation.inception)
    result = evaluation.evaluate(trained, extractor, images, params, seed, published)
    results.add_floor(result, json.loads((floor / "scores.json").read_text())["metrics"])
    results.write_scores(scores, result, trained)
    results.write_pictures(pictures, result)
    _track(trained, result, scores, pictures)


def _track(trained: TrainedModel, result: Scores, scores: Path, pictures: Path) -> None:
    settings = trained.settings
    with tracking.scoring_run(
        train_key=settings["train_key"],
        name=settings["name"],
        kind=settings["kind"],
        protocol=results.protocol_hash(result),
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
    said = f"{settings['name']} (kind {settings['kind']}) on {settings['dataset']}. {comparison.sentence(result.metrics)}"
    return f"{said}\n\n![samples]({{artifacts}}description/pictures.png)"
