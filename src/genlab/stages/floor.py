"""Measures real images against real ones, by every metric of samples."""

from pathlib import Path

from genlab.evaluation import Panel, Scores, floor, results, samples
from genlab.features import inception, judges
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
    floor.score(params.evaluation, images, judges.load(features), scores, "")
    if published:
        inception_alone = {samples.INCEPTION: published}
        floor.score(params.evaluation, images, inception_alone, scores, f"_{samples.INCEPTION}")
    results.write_scores(out, scores, {})
