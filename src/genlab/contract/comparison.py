"""Scores in a sentence, and whether one model's score is better than another's."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from genlab.contract.score import Floor, Interval, Score
from genlab.runtime.errors import InputError
from genlab.settings.plugins import nearest

DECIDING = "frechet_distance"
SOURCES = ("prior/", "fitted/", "translation/", "reconstruction/")
"""The order in which a metric is looked for by its own name; a source's samples come first."""
COPIED = ("pixel_copied_share", "copied_share")
"""In the pixels, and in the features."""
MOST_COPIED = 0.02, 0.05
"""Of new real images 0.01 are as near to a train image as what counts as a copy; of those that come
from where the train images do, a little more."""


def deciding(scores: Mapping[str, Score], by: str = DECIDING) -> str | None:
    """Returns the full name of the metric that decides, or None: `test/prior/frechet_distance`.

    `by` is a full name, or a metric's own; then it is that of the first of `SOURCES` that has it.
    """
    names = [by, *(f"test/{source}{by}" for source in SOURCES)]
    return next((name for name in names if name in scores), None)


def told(score: Score | Floor) -> str:
    """Returns a value with its interval: `15.8 (13.5 to 18.1)`."""
    value = _number(score.value)
    return f"{value} ({_span(score.interval)})" if score.interval else value


def sentence(scores: Mapping[str, Score]) -> str:
    """Returns the Fréchet distance of the samples beside that of real images, if there is one."""
    name = deciding(scores)
    if name is None:
        return "Its samples have no Fréchet distance."
    score = scores[name]
    text = f"Fréchet distance of samples ({name}): **{_number(score.value)}**"
    if score.interval:
        text += f", 95% interval {_span(score.interval)}"
    floor = score.floor.get("floor")
    if floor is None:
        return f"{text}; lower is better."
    ratio = score.value / floor.value if floor.value > 0 else float("inf")
    text += f"; as many real training images have {told(floor)}, a factor of {ratio:.2g}."
    return f"{text} Lower is better."


def objection(mine: Score, theirs: Score) -> str:
    """Returns why `mine` does not count as better than `theirs`; empty where it does.

    It is better where it lies on the right side and the 95 % intervals do not overlap; a value
    without an interval counts as an interval of no width.

    Raises:
        InputError: The metric has no direction: no value of it is better than another.
    """
    if mine.direction == "none":
        raise InputError(
            "the metric that decides must be better low or high", "direction 'none'", "See --by"
        )
    differences = differing({"mine": mine.protocol, "theirs": theirs.protocol})
    mine, theirs = judged(mine), judged(theirs)
    if differences:
        texts = [
            f"{key} {v['mine']}, the champion's {v['theirs']}" for key, v in differences.items()
        ]
        return f"it was measured by another protocol: {'; '.join(texts)}"
    gain = mine.value - theirs.value
    gain = -gain if mine.direction == "lower" else gain
    if gain <= 0:
        return f"it is worse by {_number(-gain)}" if gain else "it is the same"
    if overlap(interval(mine), interval(theirs)):
        return f"it is better by {_number(gain)}, which lies within the intervals"
    if others := dissenting(mine, theirs):
        return f"it is better by {_number(gain)}, but not for the judges {', '.join(others)}"
    return ""


def dissenting(better: Score, worse: Score) -> list[str]:
    """Returns the names of the judges who do not find the first score better than the second."""
    sign = -1 if better.direction == "higher" else 1
    return [
        name
        for name, value in better.judges.items()
        if name in worse.judges and sign * value >= sign * worse.judges[name]
    ]


def unknown(by: str, scores: Mapping[str, Score]) -> InputError:
    """Returns the error for a metric that a model has no score by."""
    return InputError(
        "the metric that decides must be among the model's scores",
        f"{by!r}{nearest(by, list(scores))}",
        "See --by, and metrics.json of the model",
    )


def differing(protocols: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the keys on which protocols, by model, differ, each with its value by model."""
    keys = sorted({key for protocol in protocols.values() for key in protocol})
    values = {
        key: {name: protocol.get(key) for name, protocol in protocols.items()} for key in keys
    }
    return {
        key: models for key, models in values.items() if len(set(map(repr, models.values()))) > 1
    }


def copies(scores: Mapping[str, Score], source: str) -> str:
    """Returns which share of a source's samples copies train images; empty where that is small."""
    found = (scores.get(f"test/{source}/{name}") for name in COPIED)
    shares = [score for score in found if score and interval(score)[0] > _most_copied(score)]
    return f"a share of {told(shares[0])} copies train images" if shares else ""


def _most_copied(score: Score) -> float:
    """Returns the share that is none too large, within limits: twice that of unseen images."""
    floor = score.floor.get("floor")
    usual = 2 * floor.value if floor else 0.0
    return min(max(usual, MOST_COPIED[0]), MOST_COPIED[1])


def judged(score: Score) -> Score:
    """Returns the score as it counts in a comparison: no better than real images' own.

    Copies of train images have a distance below the floor, blurred images a precision above it.
    """
    floor = score.floor.get("floor")
    if floor is None or score.direction == "none":
        return score
    worse = max if score.direction == "lower" else min
    low, high = (worse(end, floor.value) for end in interval(score))
    return dataclasses.replace(score, value=worse(score.value, floor.value), interval=(low, high))


def interval(score: Score) -> Interval:
    """Returns the 95 % interval of a score; without one, its value twice."""
    return score.interval or (score.value, score.value)


def overlap(first: Interval, second: Interval) -> bool:
    """Returns whether two intervals overlap: then their values do not differ beyond chance."""
    return first[0] <= second[1] and second[0] <= first[1]


def _span(interval: Interval) -> str:
    return f"{_number(interval[0])} to {_number(interval[1])}"


def _number(value: float) -> str:
    return f"{value:.3g}"
