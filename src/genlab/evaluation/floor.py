"""Real images against real ones, by every metric of samples: what a perfect generator scores."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import genlab
from genlab.contract.evidence import Evidence
from genlab.evaluation import samples
from genlab.evaluation.scores import Scores
from genlab.features.extractor import Extracted, Extractor
from genlab.features.judges import Judge
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
    settings: Evaluation,
    images: Path,
    extractors: Mapping[str, Extractor],
    scores: Scores,
    space: str,
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
    judges = samples.judges_of(extractors, test.images[choose_rows(test.labels, number)])
    draws = [seeds.derive(scores.seed, str(repeat)) for repeat in range(settings.num_repeats)]
    for source, pair in progress.bar(SETS.items(), "floor", len(SETS), "comparison"):
        repeats: dict[str, list[Evidence]] = {}
        for judge in judges:
            train_features = samples.extract(judge, train)
            repeats[judge.name] = [
                samples.evidence(
                    *pair(judge, train_features, draw),
                    None,
                    judge.extractor.num_classes,
                    seeds.derive(draw, "metrics"),
                )
                for draw in draws
            ]
        halves = source == "floor_halves"
        protocol = {
            "split": "test",
            "real_images": choice_of(test.labels, number),
            "num_real": number // 2 if halves else number,
            "num_generated": number - number // 2 if halves else number,
            "num_repeats": len(draws),
            "seed": scores.seed,
            "genlab_version": genlab.__version__,
            **samples.facts_of(judges),
        }
        scores.add_judged(f"{source}{space}", repeats, protocol, "real images")


def _against_train(judge: Judge, train: Extracted, draw: int) -> tuple[Extracted, Extracted]:
    order = np.random.default_rng(seeds.derive(draw, "train")).permutation(len(train.features))
    return judge.real, samples.choose(train, order[: len(judge.real.features)])


def _halves(judge: Judge, train: Extracted, draw: int) -> tuple[Extracted, Extracted]:
    del train
    return samples.halves(judge.real, seeds.derive(draw, "halves"))


SETS = {"floor": _against_train, "floor_halves": _halves}
"""How the two sets come about, by source."""
