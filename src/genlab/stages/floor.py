"""Measures real images against real ones, by every metric of samples: what a perfect generator would score."""

import json
from pathlib import Path

from genlab.evaluation import Panel, Scores, floor, samples
from genlab.features import classifier, inception
from genlab.networks import devices
from genlab.runtime.files import replacing
from genlab.settings import seeds
from genlab.settings.params import Params


def run(params: Params, images: Path, features: Path, out: Path) -> None:
    """Writes `metrics.json` (bare numbers) and `scores.json` (with intervals and protocols) to `out`, as a whole."""
    devices.configure("float32", deterministic=True)
    seed = seeds.derive(params.seed, "floor")
    scores = Scores(Panel(params.evaluation.metrics), seed)
    published = inception.from_params(params.evaluation.inception)
    for name, extractor in (("", classifier.load(features)), (f"_{samples.INCEPTION}", published)):
        if extractor:
            floor.score(params.evaluation, images, extractor, scores, name)
    _write(out, scores)


def _write(folder: Path, scores: Scores) -> None:
    with replacing(folder) as building:
        building.mkdir(parents=True)
        (building / "metrics.json").write_text(
            json.dumps(scores.values(), indent=2, allow_nan=False) + "\n"
        )
        facts = {"metrics": scores.metrics, "skipped": scores.skipped}
        (building / "scores.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")
