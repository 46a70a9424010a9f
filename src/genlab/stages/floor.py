"""Measures real images against real ones, by every metric of samples: what a perfect generator would score."""

import json
from pathlib import Path

import numpy as np

import genlab
from genlab import devices, feature_extractor, seeds
from genlab.evaluation import Panel, Scores, samples
from genlab.feature_extractor import Extracted
from genlab.files import replacing
from genlab.images import read_split
from genlab.params import Params


def run(params: Params, images: Path, features: Path, out: Path) -> None:
    """Writes `metrics.json` (bare numbers) and `scores.json` (with intervals and protocols) to `out`, as a whole.

    `test/floor/...` is of test images against as many train images, drawn several times; `test/floor_halves/...` of
    two disjoint halves of the test images, split several times: fewer images, so a greater bias.
    """
    devices.configure("float32", deterministic=True)
    seed, extractor = seeds.derive(params.seed, "floor"), feature_extractor.load(features)
    test, train = read_split(images, "test").images, read_split(images, "train").images
    number = min(params.evaluation.num_images, len(test), len(train))
    real, others = extractor.extract(test[:number]), extractor.extract(train)
    draws = [seeds.derive(seed, str(repeat)) for repeat in range(params.evaluation.num_repeats)]
    scores = Scores(Panel(params.evaluation.metrics), seed)
    facts = {"features": samples.facts_of(extractor), "genlab_version": genlab.__version__, "seed": seed}
    protocol = facts | {"split": "test", "quantisation": "uint8", "resize": "none", "num_repeats": len(draws)}
    for source, pairs in (
        ("floor", [(real, _rows(others, _shuffled(len(train), draw)[:number])) for draw in draws]),
        ("floor_halves", [_halves(real, draw) for draw in draws]),
    ):
        found = [
            samples.evidence(one, other, None, extractor.num_classes, draw)
            for (one, other), draw in zip(pairs, draws, strict=True)
        ]
        sizes = {"num_real": len(pairs[0][0].features), "num_generated": len(pairs[0][1].features)}
        scores.add(source, found, protocol | sizes, "real images")
    _write(out, scores)


def _shuffled(number: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(number)


def _rows(extracted: Extracted, rows: np.ndarray) -> Extracted:
    return Extracted(extracted.features[rows], extracted.classes[rows])


def _halves(extracted: Extracted, seed: int) -> tuple[Extracted, Extracted]:
    order = _shuffled(len(extracted.features), seed)
    return _rows(extracted, order[: len(order) // 2]), _rows(extracted, order[len(order) // 2 :])


def _write(folder: Path, scores: Scores) -> None:
    with replacing(folder) as building:
        building.mkdir(parents=True)
        (building / "metrics.json").write_text(json.dumps(scores.values(), indent=2) + "\n")
        facts = {"metrics": scores.metrics, "skipped": scores.skipped}
        (building / "scores.json").write_text(json.dumps(facts, indent=2) + "\n")
