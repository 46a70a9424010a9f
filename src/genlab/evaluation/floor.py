"""Real images against real ones, by every metric of samples: what a perfect generator would score."""

from pathlib import Path

import numpy as np

import genlab
from genlab.evaluation import samples
from genlab.evaluation.scores import Scores
from genlab.features.extractor import Extracted, Extractor
from genlab.imaging.arrays import part_outliers, read_description, read_split
from genlab.measurement.evidence import Protocol, Samples
from genlab.runtime import progress
from genlab.settings import seeds
from genlab.settings.params import Evaluation


def score(
    settings: Evaluation, images: Path, extractor: Extractor, scores: Scores, space: str
) -> None:
    """Scores real images in one space of features.

    `test/floor/...` is of test images against as many train images, drawn several times;
    `test/floor_halves/...` of two disjoint halves of the test images, split several times: fewer
    images, so a greater bias.

    Args:
        settings: How many images and repeats.
        images: The fetched data set.
        extractor: Where distances are measured.
        scores: Where the numbers go.
        space: What is added to the names of the sources: `""` or `"_inception"`.
    """
    test = part_outliers(read_split(images, "test"), read_description(images))[0].images
    train = read_split(images, "train").images
    number = min(settings.num_images, len(test), len(train))
    progress.note(f"floor: {number} real images against as many, {settings.num_repeats} times")
    real, others = samples.extract(extractor, test[:number]), samples.extract(extractor, train)
    draws = [seeds.derive(scores.seed, str(repeat)) for repeat in range(settings.num_repeats)]
    sets = {
        "floor": [(real, _draw(others, number, seeds.derive(draw, "train"))) for draw in draws],
        "floor_halves": [samples.halves(real, seeds.derive(draw, "halves")) for draw in draws],
    }
    for source, pairs in progress.bar(sets.items(), "floor", len(sets), "comparison"):
        dice = (seeds.derive(draw, "metrics") for draw in draws)
        found = [
            samples.evidence(*pair, None, extractor.num_classes, seed)
            for pair, seed in zip(pairs, dice, strict=True)
        ]
        scores.add(
            f"{source}{space}", found, _protocol(extractor, found, scores.seed), "real images"
        )


def _draw(extracted: Extracted, number: int, seed: int) -> Extracted:
    rows = np.random.default_rng(seed).permutation(len(extracted.features))[:number]
    return Extracted(extracted.features[rows], extracted.classes[rows])


def _protocol(extractor: Extractor, found: list[Samples], seed: int) -> Protocol:
    facts = {
        "split": "test",
        "quantisation": "uint8",
        "resize": extractor.settings.get("resize", "none"),
    }
    sizes = {
        "num_real": len(found[0].real_classes),
        "num_generated": len(found[0].generated_classes),
    }
    facts |= sizes | {"num_repeats": len(found), "seed": seed, "genlab_version": genlab.__version__}
    return facts | {"features": samples.facts_of(extractor)}
