"""What real pictures score in the place of generated ones, and what is wrong with the latter.

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
from genlab.features.extractor import Extracted

GENERATED, FLOOR, ALIKE = "generated", "floor", "alike"


class SeenPictures(NamedTuple):
    """Images, uint8 (n, height, width, channels), and what was extracted from them."""

    images: np.ndarray
    extracted: Extracted

    def some(self, rows: np.ndarray) -> "SeenPictures":
        """Returns some of them."""
        return SeenPictures(self.images[rows], samples.choose(self.extracted, rows))


class Pair(NamedTuple):
    """Real pictures, and others that are compared with them."""

    real: SeenPictures
    others: SeenPictures


def evidence(pair: Pair, train: SeenPictures | None, num_classes: int, seed: int) -> Samples:
    """Returns what the metrics are given."""
    real, others = pair
    features = train.extracted if train else None
    found = samples.evidence(real.extracted, others.extracted, features, num_classes, seed)
    return samples.with_images(found, others.images, train.images if train else None)


def pairs(real: SeenPictures, generated: SeenPictures, least: int, seed: int) -> dict[str, Pair]:
    """Returns the pictures of `floor` and `alike`; none where these are fewer than `least`."""
    generator = np.random.default_rng(seed)
    order, rows = (generator.permutation(len(part.images)) for part in (real, generated))
    half = len(order) // 2
    number = min(half, len(rows))
    if number < least:
        return {}
    rest = real.some(order[half:])
    places = {FLOOR: real.some(order[:number]), ALIKE: generated.some(np.sort(rows[:number]))}
    return {name: Pair(rest, others) for name, others in places.items()}


def said(chosen: Mapping[str, Pair], num_real: int, least: int) -> str:
    """Returns in words what the floor is of, or why there is none."""
    if not chosen:
        few = f"half of the {num_real} real pictures, or all generated ones, are fewer than {least}"
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
