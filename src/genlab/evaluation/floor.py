"""Real images against real ones, by every metric of samples: what a perfect generator scores."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

import genlab
from genlab.contract.evidence import Protocol, Samples
from genlab.evaluation import samples
from genlab.evaluation.panel import Panel
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

MEMORY = ("memorisation", "pixel_copies")
"""The metrics that compare with train images."""


class _Opinion(NamedTuple):
    """One judge, and the train images as it sees them."""

    judge: Judge
    train: Extracted


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
    name of the space is added: `""` or `"_inception"`. Memorisation is that of validation images,
    which no model was trained on: they come from where the train images do, and test may not.
    """
    test = part_outliers(read_split(images, "test"), read_description(images))[0]
    train, unseen = (read_split(images, part).images for part in ("train", "validation"))
    number = min(settings.num_images, len(test.labels), len(train))
    progress.note(f"floor: {number} real images against as many, {settings.num_repeats} times")
    judges = samples.judges_of(extractors, test.images[choose_rows(test.labels, number)])
    opinions = [_Opinion(judge, samples.extract(judge, train)) for judge in judges]
    draws = [seeds.derive(scores.seed, str(repeat)) for repeat in range(settings.num_repeats)]
    protocol = {
        "split": "test",
        "real_images": choice_of(test.labels, number),
        "num_repeats": len(draws),
        "seed": scores.seed,
        "genlab_version": genlab.__version__,
        **samples.facts_of(judges),
    }
    for source, compared in progress.bar(SETS.items(), "floor", len(SETS), "comparison"):
        sets = {one.judge.name: [compared(one, draw) for draw in draws] for one in opinions}
        numbers = _numbers(sets)
        scores.add_judged(f"{source}{space}", sets, protocol | numbers, "real images")
    if not len(unseen):
        return
    sets = {
        one.judge.name: [_of_unseen(one, (unseen, train), draw) for draw in draws]
        for one in opinions
    }
    memory = {name: entry for name, entry in settings.metrics.items() if name in MEMORY}
    recalled = dataclasses.replace(scores, panel=Panel(memory))
    protocol |= _numbers(sets)
    recalled.add_judged(f"floor{space}", sets, protocol, "validation images")


def _numbers(sets: Mapping[str, list[Samples]]) -> Protocol:
    evidence = next(iter(sets.values()))[0]
    return {
        "num_real": len(evidence.real_classes),
        "num_generated": len(evidence.generated_classes),
    }


def _of_train(opinion: _Opinion, draw: int) -> Samples:
    real, train = opinion.judge.real, opinion.train
    order = np.random.default_rng(seeds.derive(draw, "train")).permutation(len(train.features))
    return _evidence(opinion, (real, samples.choose(train, order[: len(real.features)])), draw)


def _of_halves(opinion: _Opinion, draw: int) -> Samples:
    return _evidence(
        opinion, samples.halves(opinion.judge.real, seeds.derive(draw, "halves")), draw
    )


def _of_unseen(opinion: _Opinion, images: tuple[np.ndarray, np.ndarray], draw: int) -> Samples:
    """Returns validation images in the place of generated ones, as many, drawn with repetition.

    `images` are those of validation and train.
    """
    real, (unseen, train) = opinion.judge.real, images
    generator = np.random.default_rng(seeds.derive(draw, "validation"))
    rows = generator.integers(len(unseen), size=len(real.features))
    pair = real, samples.choose(samples.extract(opinion.judge, unseen), rows)
    evidence = _evidence(opinion, pair, draw, opinion.train)
    return samples.with_images(evidence, unseen[rows], train)


def _evidence(
    opinion: _Opinion, pair: tuple[Extracted, Extracted], draw: int, train: Extracted | None = None
) -> Samples:
    num_classes = opinion.judge.extractor.num_classes
    return samples.evidence(*pair, train, num_classes, seeds.derive(draw, "metrics"))


SETS = {"floor": _of_train, "floor_halves": _of_halves}
"""How the two sets come about, by source."""
