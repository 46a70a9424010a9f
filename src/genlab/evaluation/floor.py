"""Real images against real ones, by every metric of samples: what a perfect generator scores."""

import dataclasses
from pathlib import Path

import numpy as np

import genlab
from genlab.contract.evidence import Protocol, Samples
from genlab.evaluation import samples
from genlab.evaluation.panel import Panel
from genlab.evaluation.scores import Scores
from genlab.features.extractor import Extracted, Extractor
from genlab.imaging.arrays import part_outliers, read_description, read_split
from genlab.runtime import progress
from genlab.settings import seeds
from genlab.settings.params import Evaluation

MEMORY = ("memorisation", "pixel_copies")
"""The metrics that compare with train images."""


def score(
    settings: Evaluation, images: Path, extractor: Extractor, scores: Scores, space: str
) -> None:
    """Scores real images in one space of features.

    `test/floor/...` is of test images against as many train images, drawn several times;
    `test/floor_halves/...` of two disjoint halves of the test images: fewer images, more bias. The
    name of the space is added: `""` or `"_inception"`. Memorisation is that of validation images,
    which no model was trained on: they come from where the train images do, and test may not.
    """
    test = part_outliers(read_split(images, "test"), read_description(images))[0].images
    train = read_split(images, "train").images
    number = min(settings.num_images, len(test), len(train))
    progress.note(f"floor: {number} real images against as many, {settings.num_repeats} times")
    real = samples.extract(extractor, test[:number])
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
        protocol = _protocol(repeats[0], len(repeats), scores.seed, extractor)
        scores.add_repeats(f"{source}{space}", repeats, protocol, "real images")
    memory = {name: entry for name, entry in settings.metrics.items() if name in MEMORY}
    unseen = read_split(images, "validation").images
    if not len(unseen):
        return
    features = real, others, samples.extract(extractor, unseen)
    classes = extractor.num_classes
    drawn = [_of_unseen(features, (unseen, train), classes, draw) for draw in draws]
    protocol = _protocol(drawn[0], len(drawn), scores.seed, extractor)
    recalled = dataclasses.replace(scores, panel=Panel(memory))
    recalled.add_repeats(f"floor{space}", drawn, protocol, "validation images")


def _of_unseen(
    features: tuple[Extracted, Extracted, Extracted],
    images: tuple[np.ndarray, np.ndarray],
    num_classes: int,
    seed: int,
) -> Samples:
    """Returns validation images in the place of generated ones, as many, drawn with repetition.

    Args:
        features: Of test, train and validation images.
        images: Of validation and train.
        num_classes: 0 where the images have no classes.
        seed: Of the draw.
    """
    real, known, unseen = features
    generator = np.random.default_rng(seeds.derive(seed, "validation"))
    rows = generator.integers(len(unseen.features), size=len(real.features))
    dice = seeds.derive(seed, "metrics")
    evidence = samples.evidence(real, samples.choose(unseen, rows), known, num_classes, dice)
    return samples.with_images(evidence, images[0][rows], images[1])


def _protocol(evidence: Samples, num_repeats: int, seed: int, extractor: Extractor) -> Protocol:
    return {
        "split": "test",
        "num_real": len(evidence.real_classes),
        "num_generated": len(evidence.generated_classes),
        "num_repeats": num_repeats,
        "seed": seed,
        "genlab_version": genlab.__version__,
        **samples.facts_of(extractor),
    }
