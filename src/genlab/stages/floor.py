"""Measures real images against real ones, by every metric of samples."""

from pathlib import Path

from genlab.evaluation import Panel, Scores, floor, results, samples
from genlab.features import classifier, inception
from genlab.networks import devices
from genlab.runtime.files import check_free
from genlab.settings import seeds
from genlab.settings.params import Params


def run(params: Params, images: Path, features: Path, out: Path) -> None:
    """Writes `metrics.json` (bare numbers) and `scores.json` (with protocols) to `out`."""
    check_free(out, results.SCORES)
    devices.configure("float32", deterministic=True)
    scores = Scores(Panel(params.evaluation.metrics), seeds.derive(params.seed, "floor"))
    published = inception.from_params(params.evaluation.inception)
    spaces = {"": classifier.load(features), f"_{samples.INCEPTION}": published}
    for space, extractor in spaces.items():
        if extractor:
            floor.score(params.evaluation, images, extractor, scores, space)
    results.write_scores(out, scores, {})
