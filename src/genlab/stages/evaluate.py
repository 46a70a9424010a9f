"""Scores one trained model on the test split: numbers, their protocols, and pictures."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from genlab import evaluation, tracking
from genlab.contract import comparison
from genlab.contract.score import scores_from_json
from genlab.evaluation import Scores, Task, results
from genlab.networks import devices
from genlab.runtime import progress
from genlab.runtime.files import check_free
from genlab.settings.params import Params
from genlab.trained.model import TrainedModel


@dataclass(frozen=True)
class EvaluationPaths:
    """Where inputs and outputs are, as dvc.yaml says.

    Attributes:
        model: The trained model's folder.
        images: The fetched data set.
        features: The folder of the reporting judges.
        floor: The folder with the scores of real images.
        scores: A folder for `metrics.json` (bare numbers) and `scores.json` (with protocols).
        pictures: A folder for `pictures.npz`, other arrays and grids as PNG.
    """

    model: Path
    images: Path
    features: Path
    floor: Path
    scores: Path
    pictures: Path


def run(params: Params, paths: EvaluationPaths) -> None:
    """Scores a trained model."""
    check_free(paths.scores, results.SCORES)
    check_free(paths.pictures, results.PICTURES)
    devices.configure("float32", deterministic=True)
    task = Task.of_test(params, paths.model, paths.images, paths.features)
    model = task.model
    progress.note(f"{model.name}: scoring on the test images")
    scores = evaluation.evaluate(task)
    floor = json.loads((paths.floor / "scores.json").read_text())["metrics"]
    results.add_floor(scores, scores_from_json(floor))
    results.write_scores(paths.scores, scores, results.facts_of(scores, model))
    results.write_pictures(paths.pictures, scores)
    _track(model, scores, paths)


def _track(model: TrainedModel, scores: Scores, paths: EvaluationPaths) -> None:
    with tracking.scoring_run(**results.identity(scores, model)) as run:
        run.log_metrics(scores.values(), step=0)  # no step: the interface draws one bar per model
        run.log_artifact(paths.scores, "scores")
        for name in scores.pictures:
            run.log_artifact(paths.pictures / f"{name}.png", "evaluation")
        with tempfile.TemporaryDirectory() as folder:
            enlarged = Path(folder) / "pictures.png"
            results.write_enlarged(paths.pictures, enlarged)
            run.log_artifact(enlarged, "description")
        text = f"{model.name} (kind {model.kind}) on {model.settings['dataset']}."
        sentence = comparison.sentence(scores.metrics)
        run.describe(f"{text} {sentence}\n\n![samples]({{artifacts}}description/pictures.png)")
