"""Real images against real ones, by every metric of samples: what a perfect generator scores."""

from pathlib import Path

import numpy as np

import genlab
from genlab.evaluation import samples
from genlab.evaluation.scores import Scores
from genlab.features.extractor import Extractor
from genlab.imaging.arrays import (
    choice_of,
    choose_rows,
    part_outliers,
    read_description,
    read_split,
)
from genlab.runtime import progress
from genlab.settings import seeds
from genlab.settings.params import Evaluation


def score(
    settings: Evaluation, images: Path, extractor: Extractor, scores: Scores, space: str
) -> None:
    """Scores real images in one space of features.

    `test/floor/...` is of test images against as many train images, drawn several times;
    `test/floor_halves/...` of two disjoint halves of the test images: fewer images, more bias. The
    name of the space is added: `""` or `"_inception"`.
    """
    test = part_outliers(read_split(images, "test"), read_description(images))[0]
    train = read_split(images, "train").images
    number = min(settings.num_images, len(test.labels), len(train))
    progress.note(f"floor: {number} real images against as many, {settings.num_repeats} times")
    real = samples.extract(extractor, test.images[choose_rows(test.labels, number)])
    others = samples.extract(extractor, train)
    draws = [seeds.derive(scores.seed, str(repeat)) for repeat in range(settings.num_repeats)]
    orders = (
        np.random.default_rng(seeds.derive(draw, "train")).permutation(len(train)) for draw in draws
    )
    sets = {
        "floor": [(real, samples.choose(others, order[:number])) for order in orders],
        "floor_halves": [samples.halves(real, seeds.derive(draw, "halves")) for draw in draws],
    }
    for source, pairs in progress.bar(sets.items(), "floor", len(sets), "comparison"):
        repeats = [
            samples.evidence(*pair, None, extractor.num_classes, seeds.derive(draw, "metrics"))
            for pair, draw in zip(pairs, draws, strict=True)
        ]
        protocol = {
            "split": "test",
            "real_images": choice_of(test.labels, number),
            "num_real": len(repeats[0].real_classes),
            "num_generated": len(repeats[0].generated_classes),
            "num_repeats": len(repeats),
            "seed": scores.seed,
            "genlab_version": genlab.__version__,
            **samples.facts_of(extractor),
        }
        scores.add_repeats(f"{source}{space}", repeats, protocol, "real images")
