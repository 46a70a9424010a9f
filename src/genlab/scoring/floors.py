"""How many pictures there must be, what real ones score, and what is wrong with generated ones.

Most numbers depend on how many pictures there are. So real pictures of one half are compared with
the other half (`floor`), and as many generated ones with the same half (`alike`).
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from genlab.contract import findings
from genlab.contract.evidence import Samples
from genlab.contract.score import Score
from genlab.evaluation import samples
from genlab.features.extractor import Extracted, Extractor
from genlab.imaging.array_files import ArrayImages
from genlab.runtime.errors import InputError

GENERATED, FLOOR, ALIKE = "generated", "floor", "alike"


MIN_IMAGES = 2


class Least(NamedTuple):
    """How many pictures a set must have, why, what else to do, and the size of the features."""

    number: int
    why: str
    remedy: str
    feature_dim: int

    def check(self, sets: Mapping[str, ArrayImages]) -> None:
        """Raises an InputError where the real or the generated pictures are fewer."""
        for name in ("real", "generated"):
            number = len(sets[name].images)
            if number < self.number:
                expected = f"the {name} pictures must be at least {self.number}{self.why}"
                raise InputError(expected, str(number), f"See --{name}{self.remedy}")


def least(real: np.ndarray, extractor: Extractor, allow_few: bool) -> Least:
    """Returns how many pictures there must be: more than features have dimensions."""
    size = extractor.extract(real[:1]).features.shape[1]
    if allow_few:
        return Least(MIN_IMAGES, "", "", size)
    why = f", more than the {size} dimensions of the features: else distances are mostly bias"
    remedy = ", other --features, or --allow-few"
    return Least(max(MIN_IMAGES, size + 1), why, remedy, size)


class PictureSet(NamedTuple):
    """Images, uint8 (n, height, width, channels), and what was extracted from them."""

    images: np.ndarray
    extracted: Extracted

    def some(self, rows: np.ndarray) -> "PictureSet":
        """Returns some of them."""
        return PictureSet(self.images[rows], samples.choose(self.extracted, rows))


class Pair(NamedTuple):
    """Real pictures, and others that are compared with them."""

    real: PictureSet
    others: PictureSet


def evidence(pair: Pair, train: PictureSet | None, num_classes: int, seed: int) -> Samples:
    """Returns what the metrics are given."""
    real, others = pair
    features = train.extracted if train else None
    found = samples.evidence(real.extracted, others.extracted, features, num_classes, seed)
    return samples.with_images(found, others.images, train.images if train else None)


def pairs(real: PictureSet, generated: PictureSet, fewest: int, seed: int) -> dict[str, Pair]:
    """Returns the pictures of `floor` and `alike`; none where these are fewer than `fewest`."""
    generator = np.random.default_rng(seed)
    order, rows = (generator.permutation(len(part.images)) for part in (real, generated))
    half = len(order) // 2
    number = min(half, len(rows))
    if number < fewest:
        return {}
    rest = real.some(order[half:])
    places = {FLOOR: real.some(order[:number]), ALIKE: generated.some(np.sort(rows[:number]))}
    return {name: Pair(rest, others) for name, others in places.items()}


def said(chosen: Mapping[str, Pair], num_real: int, fewest: int) -> str:
    """Returns in words what the floor is of, or why there is none."""
    if not chosen:
        few = (
            f"half of the {num_real} real pictures, or all generated ones, are fewer than {fewest}"
        )
        return f"none: {few}; see --allow-few"
    rest, others = chosen[FLOOR]
    number = len(others.images)
    return (
        f"{number} of the real pictures (floor) and {number} generated ones (alike), each against "
        f"the other {len(rest.images)} real ones"
    )


def weaknesses(metrics: Mapping[str, Score], alike: Mapping[str, float]) -> list[str]:
    """Returns what is wrong with the generated pictures, a line each."""
    scores = {
        f"test/{GENERATED}/{name}": dataclasses.replace(score, value=alike.get(name, score.value))
        for name, score in metrics.items()
    }
    return [f"the generated pictures {text}" for text in findings.of_samples(scores, GENERATED)]
